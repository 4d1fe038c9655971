"""AutoAWQ's calls as the manual writes them, for every family; AWQ beats rounding where there are outliers."""

import json

import pytest
import torch
from models.measure import HELD_OUT, tokens_of
from models.plant_outliers import plant
from tests.awq.tiny_models import FAMILIES, kl, token_lists
from transformers import AutoTokenizer

from awq import AutoAWQForCausalLM
from awq.stream.dequantize import load_dequantized
from tyllm_base.errors import CheckpointError, OutputError, SettingError, UntrustedCodeError

CONFIG = {"zero_point": True, "q_group_size": 64, "w_bit": 4, "version": "GEMM", "lm_head_enable": True}


def quantized(folder, output, method="awq"):
    model = AutoAWQForCausalLM.from_pretrained(str(folder), torch_dtype="float16", cache_dir="./")
    model.quantize(object(), quant_config=CONFIG, calib_data=token_lists(64), method=method)
    model.save_quantized(str(output))
    return AutoAWQForCausalLM.from_quantized(str(output), fuse_layers=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_stays_near_its_float_model(checkpoint, tmp_path, family):
    reference, ids = load_dequantized(checkpoint(family)), token_lists(seed=1)
    distance = kl(reference, quantized(checkpoint(family), tmp_path / "out"), ids)
    assert distance < 0.2 * kl(reference, shuffled(reference), ids)


def shuffled(model):
    """The model with its output tokens permuted: as far away as a broken one."""
    return lambda ids: type("Output", (), {"logits": model(ids).logits.roll(1, -1)})


@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_planted_outliers_ruin_rounding_and_not_awq(checkpoint, tmp_path, family):
    plant(checkpoint(family), tmp_path / "planted")
    reference, ids = load_dequantized(checkpoint(family)), token_lists(seed=1)
    assert kl(reference, load_dequantized(tmp_path / "planted"), ids) < 1e-4  # the same function
    rtn = kl(reference, quantized(tmp_path / "planted", tmp_path / "rtn", "rtn"), ids)
    awq = kl(reference, quantized(tmp_path / "planted", tmp_path / "awq"), ids)
    assert awq < rtn / 2, (awq, rtn)


def test_on_the_outlier_variant_awq_loses_a_tenth_of_what_rounding_loses(trained, tmp_path):
    plant(trained, tmp_path / "planted")
    tokenizer = AutoTokenizer.from_pretrained(trained)
    reference, ids = load_dequantized(trained), tokens_of(tokenizer, HELD_OUT)[:4096].view(16, 256).tolist()
    config = CONFIG | {"q_group_size": 128}
    distance = {}
    for method in ("rtn", "awq"):
        model = AutoAWQForCausalLM.from_pretrained(tmp_path / "planted")
        model.quantize(tokenizer, config, method=method)
        model.save_quantized(tmp_path / method)
        distance[method] = kl(reference, load_dequantized(tmp_path / method), ids)
    assert distance["awq"] <= distance["rtn"] / 10, distance


def test_from_pretrained_reads_no_weight(checkpoint, tmp_path):
    folder = tmp_path / "sparse"
    folder.mkdir()
    (folder / "config.json").write_bytes((checkpoint("llama") / "config.json").read_bytes())
    content = (checkpoint("llama") / "model.safetensors").read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    with (folder / "model.safetensors").open("wb") as file:
        file.write(content[:header])
        file.truncate(len(content))  # zeros, of which not one block is on the disk
    assert AutoAWQForCausalLM.from_pretrained(folder).config["model_type"] == "llama"


def test_it_is_not_made_directly():
    with pytest.raises(SettingError, match="use from_pretrained or from_quantized"):
        AutoAWQForCausalLM()


def test_what_from_pretrained_refuses(checkpoint, tmp_path):
    folder = checkpoint("llama")
    with pytest.raises(SettingError, match="torch_dtype is bfloat16"):
        AutoAWQForCausalLM.from_pretrained(folder, torch_dtype="bfloat16")
    with pytest.raises(SettingError, match="safetensors is False"):
        AutoAWQForCausalLM.from_pretrained(folder, safetensors=False)
    assert AutoAWQForCausalLM.from_pretrained(folder, torch_dtype=torch.float16, device_map="auto")
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoConfig": "x.Y"}}))
    with pytest.raises(UntrustedCodeError):
        AutoAWQForCausalLM.from_pretrained(tmp_path)


def test_a_quantized_checkpoint_is_not_quantized_again(checkpoint, tmp_path):
    quantized(checkpoint("llama"), tmp_path / "out", "rtn")
    with pytest.raises(CheckpointError, match=r"is quantized already \(awq\)"):
        AutoAWQForCausalLM.from_pretrained(tmp_path / "out")


def test_what_quantize_refuses(checkpoint, tmp_path):
    model = AutoAWQForCausalLM.from_pretrained(checkpoint("llama"))
    with pytest.raises(OutputError, match="call quantize first"):
        model.save_quantized(tmp_path / "out")
    with pytest.raises(SettingError, match="method is 'gptq'"):
        model.quantize(method="gptq")
    with pytest.raises(SettingError, match="export_compatible is True"):
        model.quantize(export_compatible=True)
    with pytest.raises(OutputError, match="exists already"):
        model.quantize(quant_path=checkpoint("llama"))
