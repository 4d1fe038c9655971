"""Settings that cannot work are refused before any work is done, with the value and the cure."""

from dataclasses import replace
from pathlib import Path

import pytest

from tyllm.llm.compile_settings import LlmCompileSettings, check_settings, default_seq_lens
from tyllm_base.errors import SettingError

GOOD = LlmCompileSettings(
    model_path=Path("model"),
    artifacts_path=Path("out"),
    max_kv_cache_size=64,
    seq_lens=(1, 8),
    dies=1,
    embedding_as_input=False,
    activations="int8",
    kv_cache_dtype="float16",
    quantize=None,
    group_size=128,
    target="native",
    trust_remote_code=False,
    overwrite=False,
)


def test_the_default_lengths_fit_the_cache():
    assert default_seq_lens(4096) == (1, 8, 32, 128, 256)
    assert default_seq_lens(100) == (1, 8, 32)
    with pytest.raises(SettingError, match="max_kv_cache_size is 0"):
        default_seq_lens(0)


@pytest.mark.parametrize("changes", [{}, {"dies": 8}, {"seq_lens": (64,)}, {"quantize": "rtn", "group_size": 32}])
def test_good(changes):
    check_settings(replace(GOOD, **changes))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"max_kv_cache_size": 0}, "max_kv_cache_size is 0; give a whole number of at least 1."),
        ({"max_kv_cache_size": 1.5}, "max_kv_cache_size is 1.5; give a whole number of at least 1."),
        ({"max_kv_cache_size": True}, "max_kv_cache_size is True; give a whole number of at least 1."),
        (
            {"seq_lens": ()},
            "seq_len_list (--seq-lens) is empty; give the sequence lengths to compile, such as 1 and 8.",
        ),
        ({"seq_lens": (0,)}, "A length of seq_len_list (--seq-lens) is 0; give a whole number of at least 1."),
        ({"seq_lens": (1, -8)}, "A length of seq_len_list (--seq-lens) is -8; give a whole number of at least 1."),
        ({"seq_lens": ("8",)}, "A length of seq_len_list (--seq-lens) is '8'; give a whole number of at least 1."),
        (
            {"seq_lens": (1, 65)},
            "seq_len_list (--seq-lens) has 65, which is larger than the cache of 64 tokens; "
            "give a shorter one or raise max_kv_cache_size.",
        ),
        ({"seq_lens": (8, 8)}, "seq_len_list (--seq-lens) [8, 8] names a length twice; give each once."),
        ({"dies": 5}, "dev_count (--dies) is 5; use one of 1, 2, 3, 4, 8."),
        ({"dies": 0}, "dev_count (--dies) is 0; use one of 1, 2, 3, 4, 8."),
        ({"visual_dies": 0}, "visual_dies (--visual-dies) is 0; use one of 1, 2, 3, 4, 8."),
        ({"activations": "int4"}, "activations is 'int4'; use one of int8, float16."),
        ({"kv_cache_dtype": "fp8"}, "kv_cache_dtype is 'fp8'; use one of float16, int8."),
        ({"quantize": "gptq"}, "quantize is 'gptq'; use one of None, rtn."),
        ({"quantize": "rtn", "group_size": 48}, "group_size is 48; give a multiple of 32, such as 128."),
        ({"quantize": "rtn", "group_size": 0}, "group_size is 0; give a multiple of 32, such as 128."),
    ],
)
def test_bad(changes, sentence):
    with pytest.raises(SettingError) as caught:
        check_settings(replace(GOOD, **changes))
    assert str(caught.value) == sentence
    assert caught.value.exit_code == 4


def test_a_padded_chunk_fits_behind_a_full_cache():
    """The last token of a full cache may start a chunk of the longest length."""
    assert GOOD.kv_capacity == 80  # 64 + 8 - 1 rows, in tiles of 16
    assert replace(GOOD, seq_lens=(1,)).kv_capacity == 64
