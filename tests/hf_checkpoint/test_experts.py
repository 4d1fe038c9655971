"""transformers' stacks of experts find the hub's tensors, by transformers' own names."""

from pathlib import Path

import pytest
import torch
from tests.tiny_mixture import CONFIG, GPT_OSS, MIXTRAL, write_mixture
from transformers import AutoConfig, AutoModelForCausalLM

from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.expert_stack import BIAS, ExpertForm, Storage
from hf_checkpoint.experts import DOWN, GATE_UP, expert_modules, expert_parameters, normalize_experts
from hf_checkpoint.model_on_meta import build_on_meta
from hf_checkpoint.safetensors_file import TensorInfo
from hf_checkpoint.weight_names import under_model_names

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


def infos(shapes):
    return {name: TensorInfo("BF16", shape, Path("none"), 0) for name, shape in shapes.items()}


def stacks_of(model, shapes):
    return under_model_names(Checkpoint(None, CONFIG, infos(shapes)), model).stacks


def test_experts_may_be_stored_transposed():
    model = on_meta()
    model.config.model_type = "qwen3_vl_moe"  # whose conversion transposes what has another shape
    found = stacks_of(model, {f"{LAYER}gate_up_proj": (6, 128, 192), f"{LAYER}down_proj": (6, 128, 96)})
    assert found[f"{LAYER}gate_up_proj"].form == ExpertForm(is_transposed=True)
    assert found[f"{LAYER}down_proj"].form == ExpertForm()
    assert {stack.shape for stack in found.values()} == {(6, 192, 128), (6, 128, 96)}


def test_one_tensor_that_is_missing_is_one_tensor():
    model = on_meta()
    model.config.model_type = "qwen3_vl_moe"
    assert stacks_of(model, {})[f"{LAYER}down_proj"].names == (f"{LAYER}down_proj",)


def test_experts_in_turns_with_biases():
    stacks = stacks_of(on_meta(**GPT_OSS), {f"{LAYER}{part}": (6, 128, 192) for part in (GATE_UP, GATE_UP + BIAS)})
    assert stacks[LAYER + GATE_UP].form == stacks[LAYER + GATE_UP].own == ExpertForm(True, True)
    assert stacks[LAYER + GATE_UP + BIAS].form == ExpertForm(False, True)
    assert stacks[LAYER + GATE_UP + BIAS].shape == (6, 192)
    assert stacks[LAYER + DOWN].shape == (6, 128, 96)


def test_experts_in_mxfp4_lie_in_rows():
    names = [f"{LAYER}{GATE_UP}{ending}" for ending in ("_blocks", "_scales")]
    found = stacks_of(on_meta(**GPT_OSS), dict.fromkeys(names, (6, 192, 4, 16)))[LAYER + GATE_UP]
    assert (found.names, found.storage, found.form) == (tuple(names), Storage.MXFP4, ExpertForm(False, True))


def test_linear_layers_of_experts_whose_names_transformers_has_not():
    stacks = stacks_of(on_meta(**GPT_OSS), {f"{LAYER}0.gate_proj.qweight": (1, 1)})
    assert stacks[LAYER + GATE_UP].names[:3] == tuple(
        f"{LAYER}{n}.weight" for n in ("0.gate_proj", "0.up_proj", "1.gate_proj")
    )
    assert stacks[LAYER + DOWN + BIAS].names[5] == f"{LAYER}5.down_proj.bias"
    assert stacks[LAYER + DOWN + BIAS].starts[5] == 5 * 128


def test_normal_experts_have_rows_of_outputs_and_are_known_as_before():
    model = on_meta(**GPT_OSS)
    before = stacks_of(model, {})
    normalize_experts(model)
    experts = model.get_submodule(LAYER.rstrip("."))
    assert tuple(experts.gate_up_proj.shape) == (6, 192, 128)
    assert tuple(experts.down_proj_bias.shape) == (6 * 128,)
    assert stacks_of(model, {}) == before
