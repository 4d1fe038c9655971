"""The cost of each step, beside the multiplications that torch counts in a run."""

import pytest
import torch
from tests.awq.tiny_models import token_lists
from tests.tiny_mixture import write_mixture
from torch.utils.flop_counter import FlopCounterMode

from awq.quant_config import QuantConfig
from awq.recipe import Recipe
from awq.run.quantizer import Quantizer
from awq.run.step_costs import costs
from awq.stream.meta_model import MetaModel
from awq.work.work_folder import WorkFolder
from hf_checkpoint.checkpoint import Checkpoint


def costs_of(checkpoint, method):
    model = MetaModel.build(Checkpoint.open(checkpoint("llama")), torch.device("cpu"))
    return costs(model, Recipe(QuantConfig(q_group_size=64), method, torch.tensor(token_lists(8))))


def test_every_linear_layer_is_a_step(checkpoint):
    found = costs_of(checkpoint, "tyllm")
    assert list(found)[:3] == [
        ("layer-00000", "scales"),
        ("layer-00000", "self_attn.q_proj"),
        ("layer-00000", "self_attn.k_proj"),
    ]
    assert len(found) == 2 * 8 + 1 and list(found)[-1] == ("rest", "")
    assert found["layer-00000", "mlp.down_proj"] > found["layer-00000", "mlp.up_proj"]  # more inputs, a larger matrix


def test_other_methods_go_by_layers(checkpoint):
    assert list(costs_of(checkpoint, "awq")) == [("layer-00000", "scales"), ("layer-00001", "scales"), ("rest", "")]


def test_experts_read_the_tokens_that_chose_them(tmp_path):
    model = MetaModel.build(Checkpoint.open(write_mixture(tmp_path)), torch.device("cpu"))
    inputs, tokens = 128, 8 * 32
    found = costs(model, Recipe(QuantConfig(q_group_size=32), "tyllm", torch.tensor(token_lists(8))))
    up = 96 * inputs  # weights
    assert found["layer-00000", "mlp.experts.3.up_proj"] == up * (8 * inputs + 3 * tokens * 2 // 6)
    assert found["layer-00000", "mlp.shared_expert.up_proj"] == 128 * inputs * (8 * inputs + 3 * tokens)


@pytest.mark.parametrize("samples", [4, 64])
def test_the_costs_of_linear_layers_are_the_multiplications_of_a_run(checkpoint, tmp_path, samples):
    """With few tokens products with the Hessian count most, with many the passes of the tokens."""
    model = MetaModel.build(Checkpoint.open(checkpoint("llama")), torch.device("cpu"))
    recipe = Recipe(QuantConfig(q_group_size=64), "tyllm", torch.tensor(token_lists(samples)))
    work, seen = WorkFolder(tmp_path), []
    work.open("fingerprint")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        Quantizer(model, recipe, work, lambda done, total, what: seen.append((what, counter.get_total_flops()))).run()
    linear = "layer 2 of 2, "
    ends = [*(flops for _, flops in seen[1:]), counter.get_total_flops()]
    counted = sum(
        end - flops for (what, flops), end in zip(seen, ends, strict=True) if what.startswith(linear + "self")
    )
    counted += sum(
        end - flops for (what, flops), end in zip(seen, ends, strict=True) if what.startswith(linear + "mlp")
    )
    planned = sum(
        cost for (part, step), cost in costs(model, recipe).items() if part == "layer-00001" and step != "scales"
    )
    assert 0.8 < counted / 2 / planned < 1.25  # torch counts a multiplication and an addition
