"""What settings that cannot work get: each row is a command, its arguments, the exit code and the sentence."""

import pytest
from tests.bad_input.commands import COMPILE, QUANTIZE, agrees, fill

SETTINGS = [
    (COMPILE, "--dies 5", 4, "dev_count (--dies) is 5; use one of 1, 2, 3, 4, 8."),
    (COMPILE, "--dies 8", 4,
     "4 query heads in 2 key/value groups do not split over 8 dies; use at most 4 dies."),
    (COMPILE, "--seq-lens 0", 4, "A length of seq_len_list (--seq-lens) is 0; give a whole number of at least 1."),
    (COMPILE, "--seq-lens 1,-8", 4, "A length of seq_len_list (--seq-lens) is -8; give a whole number of at least 1."),
    (COMPILE, "--seq-lens 1,65", 4,
     "seq_len_list (--seq-lens) has 65, which is larger than the cache of 64 tokens; "
     "give a shorter one or raise max_kv_cache_size."),
    (COMPILE, "--seq-lens 8,8", 4, "seq_len_list (--seq-lens) [8, 8] names a length twice; give each once."),
    (COMPILE, "--seq-lens one", 2, "…'one' is not a list of whole numbers such as 1,8. Try …."),
    (COMPILE, "--max-kv-cache-size 0", 4, "max_kv_cache_size is 0; give a whole number of at least 1."),
    (COMPILE, "--quantize rtn --group-size 48", 4, "group_size is 48; give a multiple of 32, such as 128."),
    (COMPILE, "--quantize rtn --group-size 128", 4,
     "The group size 128 does not divide the 192 inputs of model.layers.0.mlp.down_proj.weight; use 64 or 32."),
    (COMPILE, "--quantize gptq", 2, "…'gptq'…"),
    (COMPILE, "--target edge11", 4, "There is no target 'edge11': use one of native, …."),
    (QUANTIZE, "--group-size 48", 4, "q_group_size is 48; use 32, 64, 128, or -1 for whole rows."),
    (QUANTIZE, "--group-size 128", 4,
     "The group size 128 does not divide the 192 inputs of …down_proj; use 64 or 32 or -1, "
     "or name it in modules_to_not_convert."),
    (QUANTIZE, "--method gptq", 2, "…'gptq'…"),
    (QUANTIZE, "--bits 3", 2, "…'3' is not one of '4', '8'…"),
    (QUANTIZE, "--bits 8", 4,
     "w_bit is 8 bits, but the AWQ GEMM format holds 4-bit weights; use format='compressed-tensors' "
     "(--format compressed-tensors)."),
    (QUANTIZE, "--without clip", 2, "…'clip' is not one of …"),
    (QUANTIZE, "--bits-per-weight 4.5", 4,
     "bits_per_weight needs the method 'tyllm', not 'rtn'; leave one of them out."),
    (QUANTIZE, "--bits-per-weight 20 --method tyllm", 4, "bits_per_weight is 20; give a number from 4 to 16."),
    (QUANTIZE, "--report layers.pdf", 2, "…layers.pdf is no .json, .md, .svg file; choose one of these endings…"),
    (QUANTIZE, "--eval-tokens 1", 2, "…'--eval-tokens'…"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "arguments", "code", "sentence"), SETTINGS, ids=lambda value: str(value)[:40])
def test_a_setting_that_cannot_work(tyllm, checkpoints, tmp_path, command, arguments, code, sentence):
    folders = {"checkpoint": checkpoints / "float16", "output": tmp_path / "new"}
    agrees(tyllm([*fill(command, **folders), *arguments.split()]), code, sentence, **folders)
    assert list(tmp_path.iterdir()) == []
