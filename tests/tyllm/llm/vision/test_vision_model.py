"""The vision tower and the rotary positions are captured from Hugging Face's code, and cut over dies by heads."""

import pytest
import torch
from tests.tiny_vision_language import write_tiny_vision_language

from hf_checkpoint.vision_tower import find_tower
from tyllm.llm.die_model import build_model, cut_to_die
from tyllm.llm.vision.vision_model import (
    capture_language_step,
    capture_rotary,
    capture_tower,
    set_heads,
    split_visual,
    tower_of,
)
from tyllm_errors import SettingError

FAMILIES = ("qwen2_vl", "qwen2_5_vl")


@pytest.fixture(params=FAMILIES)
def model(request, tmp_path):
    from hf_checkpoint.checkpoint import Checkpoint

    return build_model(Checkpoint.open(write_tiny_vision_language(tmp_path / "model", request.param)), False)


def test_the_tower_takes_patches_and_gives_a_token_for_four(model):
    captured = capture_tower(model, (4, 6))
    assert captured.inputs == ["patches"]
    (output,) = next(node for node in captured.graph_module.graph.nodes if node.op == "output").args[0]
    assert tuple(output.meta["val"].shape) == (6, model.config.get_text_config().hidden_size)
    names = {name for name, _ in model.named_parameters() if ".visual." in name}
    assert set(captured.parameters.values()) == names


def test_attention_goes_by_segments(model):
    captured = capture_tower(model, (8, 12))
    nodes = captured.graph_module.graph.nodes
    calls = [node for node in nodes if node.target is torch.ops.tytvm.segment_attention.default]
    bounds = [captured.constants[call.args[3].name].tolist() for call in calls]
    if model.config.model_type == "qwen2_vl":
        assert bounds == [[0, 96]] * len(calls)
    else:
        full = model.config.vision_config.fullatt_block_indexes
        assert [len(each) == 2 for each in bounds] == [layer in full for layer in range(len(calls))]


@pytest.mark.parametrize("dies", [2, 3, 4])
def test_heads_are_cut_and_all_weights_covered(model, dies):
    split = split_visual(model, dies)
    name, visual = tower_of(model)
    whole = {n: tuple(p.shape) for n, p in model.named_parameters(remove_duplicate=False)}
    heads = []
    for die in range(dies):
        cut_to_die(model, whole, split, die)
        set_heads(model, split, die)
        attention = visual.blocks[0].attn
        heads.append(attention.num_heads)
        assert attention.qkv.weight.shape[0] == 3 * attention.num_heads * attention.head_dim
        assert attention.proj.weight.shape[1] == attention.num_heads * attention.head_dim
        capture_tower(model, (4, 4))
    assert sum(heads) == model.config.vision_config.num_heads
    inner = split.of(f"{name}.merger.mlp.0.weight")
    assert sum(inner.size(die) for die in range(dies)) == whole[f"{name}.merger.mlp.0.weight"][0]


def test_more_dies_than_heads(model):
    with pytest.raises(SettingError, match="vision tower's 6 heads do not split over 8 dies; use 6 or fewer"):
        split_visual(model, 8)


def test_the_decoder_takes_embeddings_and_rotary_rows(model):
    captured = capture_language_step(model, 4)
    assert captured.inputs == ["embeddings", "rope_param", "row"]
    assert not any(".visual." in name for node, name in captured.parameters.items() if _is_read(captured, node))


def test_rotary_positions_have_no_weights(model):
    captured = capture_rotary(model, 16)
    assert captured.inputs == ["positions"] and not captured.parameters


def test_a_text_model_has_no_tower(tmp_path):
    from tests.tiny_checkpoint import write_tiny

    from hf_checkpoint.checkpoint import Checkpoint

    assert find_tower(build_model(Checkpoint.open(write_tiny(tmp_path / "text")), False)) is None


def _is_read(captured, name):
    return any(node.name == name and node.users for node in captured.graph_module.graph.nodes)
