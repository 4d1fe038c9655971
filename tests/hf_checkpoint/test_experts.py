"""transformers' stacks of experts find the hub's tensors, by transformers' own names."""

import pytest
import torch
from tests.tiny_mixture import CONFIG, MIXTRAL, write_mixture
from transformers import AutoConfig, AutoModelForCausalLM

from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.experts import expert_modules, expert_parameters
from hf_checkpoint.model_on_meta import build_on_meta
from hf_checkpoint.weight_names import under_model_names
from tyllm_base.errors import UnsupportedError

LAYER = "model.layers.0.mlp.experts."


def on_meta(**changes):
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(**(CONFIG | changes)))


def test_the_two_parameters_of_a_layer():
    model = on_meta()
    assert list(expert_modules(model)) == [LAYER.rstrip(".")]
    shapes = {name: tuple(p.shape) for name, p in expert_parameters(model).items()}
    assert shapes == {f"{LAYER}gate_up_proj": (6, 192, 128), f"{LAYER}down_proj": (6, 128, 96)}


@pytest.mark.parametrize(
    ("changes", "gate", "up", "down"),
    [({}, "gate_proj", "up_proj", "down_proj"), (MIXTRAL, "w1", "w3", "w2")],
    ids=["qwen2_moe", "mixtral"],
)
def test_rows_have_the_hubs_names_in_the_order_of_experts(tmp_path, changes, gate, up, down):
    opened = Checkpoint.open(write_mixture(tmp_path, **changes))
    stacks = under_model_names(opened, build_on_meta(opened)).stacks
    experts = stacks[f"{LAYER}down_proj"].shape[0]
    of = lambda part: [f"{LAYER}{number}.{part}.weight" for number in range(experts)]  # noqa: E731
    both = [name for pair in zip(of(gate), of(up), strict=True) for name in pair]
    assert list(stacks[f"{LAYER}gate_up_proj"].names) == both
    assert stacks[f"{LAYER}gate_up_proj"].starts == tuple(range(0, experts * 192, 96))
    assert list(stacks[f"{LAYER}down_proj"].names) == of(down)


def test_a_model_without_experts_has_no_stacks(checkpoint):
    opened = Checkpoint.open(checkpoint("qwen2"))
    assert under_model_names(opened, build_on_meta(opened)).stacks == {}


def test_experts_that_are_stored_transposed_are_refused():
    model, opened = on_meta(), Checkpoint(None, CONFIG, {})
    model.config.model_type = "qwen3_vl_moe"  # whose conversion transposes
    with pytest.raises(UnsupportedError, match=r"qwen3_vl_moe stores its experts transposed or mixed \(.*down_proj\)"):
        under_model_names(opened, model)
