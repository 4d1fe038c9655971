"""What is told before the work begins."""

from dataclasses import replace

import pytest
import torch
from tests.awq.tiny_models import token_lists
from tests.tiny_mixture import write_mixture

from awq.quant_config import QuantConfig
from awq.recipe import Recipe
from awq.run.run_plan import run_plan
from awq.stream.meta_model import MetaModel
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.safetensors_file import read_header
from tyllm_base.errors import OutputError


def planned(folder, work, samples=8, **settings):
    config = QuantConfig(**{"q_group_size": 64, "lm_head_enable": True} | settings)
    model = MetaModel.build(Checkpoint.open(folder), torch.device("cpu"))
    return run_plan(model, Recipe(config, "tyllm", torch.tensor(token_lists(samples))), work)


@pytest.mark.parametrize("family", ["qwen2", "llama", "gemma2"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"lm_head_enable": False},
        {"format": "compressed-tensors", "w_bit": 8},
        {"modules_to_not_convert": ("o_proj",)},
    ],
    ids=["awq", "float head", "compressed-tensors", "left out"],
)
def test_the_size_is_what_will_be_written(checkpoint, tmp_path, family, settings):
    from awq import AutoAWQForCausalLM

    found = planned(checkpoint(family), tmp_path / "work", **settings)
    config = {"q_group_size": 64, "lm_head_enable": True} | settings
    model = AutoAWQForCausalLM.from_pretrained(checkpoint(family))
    model.quantize(quant_config=config, method="rtn", quant_path=tmp_path / "out")
    model.save_quantized(tmp_path / "out")
    tensors = read_header(tmp_path / "out" / "model.safetensors").values()
    assert found.output == sum(info.nbytes for info in tensors)


def test_linear_layers_by_their_bits(checkpoint, tmp_path):
    found = planned(checkpoint("qwen2"), tmp_path, modules_to_not_convert=("o_proj",))
    assert (found.layers, found.linears, found.tokens) == (2, {4: 13, 16: 2}, 8 * 32)
    assert found.bits_per_weight == 4 + 20 / 64


def test_a_tied_head_of_its_own_counts_twice(checkpoint, tmp_path):
    tied = planned(checkpoint("qwen2"), tmp_path, lm_head_enable=False)
    assert planned(checkpoint("qwen2"), tmp_path).weights == tied.weights + 96 * 128


def test_a_budget_is_the_size(checkpoint, tmp_path):
    model = MetaModel.build(Checkpoint.open(checkpoint("llama")), torch.device("cpu"))
    config = QuantConfig(q_group_size=64, format="compressed-tensors")
    recipe = Recipe(config, "tyllm", torch.tensor(token_lists(8)))
    plain, more = (run_plan(model, replace(recipe, bits_per_weight=bits), tmp_path) for bits in (None, 5.0))
    assert more.bits_per_weight == pytest.approx(5, abs=1e-3)
    assert more.output > plain.output


def test_more_samples_take_more_memory_and_disk(checkpoint, tmp_path):
    few, many = (planned(checkpoint("llama"), tmp_path, samples) for samples in (8, 20_000))
    hidden = 2 * 20_000 * 32 * 128 * 4
    assert many.memory - few.memory > 0.99 * hidden
    assert many.disk - few.disk > 2 * 0.99 * hidden


def test_what_experts_read_does_not_wait_on_disk(tmp_path):
    folder = write_mixture(tmp_path / "float", moe_intermediate_size=128)
    few, many = (planned(folder, tmp_path, samples) for samples in (8, 20_000))
    inputs = 8 * 128  # q, k, v, o, and the shared expert's gate, up, down, and own gate
    assert many.disk - few.disk < 20_000 * 32 * 4 * (2 * 2 * 128 + inputs)


def test_a_disk_that_is_too_small(checkpoint, tmp_path):
    found = replace(planned(checkpoint("llama"), tmp_path), free_disk=1 << 12)
    with pytest.raises(OutputError, match=r"has 0\.0 MiB free, and the run needs 1\.\d MiB there"):
        found.check_disk(tmp_path)
    replace(found, present=found.disk - (1 << 12)).check_disk(tmp_path)  # an earlier run has left most of it


def test_memory_that_is_too_small(checkpoint, tmp_path):
    found = planned(checkpoint("llama"), tmp_path)
    assert replace(found, free_memory=found.memory).shortage is None
    assert "are free; close other programs" in replace(found, free_memory=found.memory - 1).shortage
    assert replace(found, free_memory=None).shortage is None
