"""One die's model: the whole one's code with the die's shapes."""

import copy
import json

import pytest
import torch
from tests.families.tiny_config import tiny_config
from tests.tiny_checkpoint import edit_json
from transformers import GPT2Config, GPTNeoConfig, XLNetConfig

from hf_checkpoint.checkpoint import Checkpoint
from tyllm.build.tensor_parallel import shard_model
from tyllm.llm.attention import IMPLEMENTATION
from tyllm.llm.die_model import build_model, capture_step, cut_to_die, tokens_recognized
from tyllm.package.step_shape import StepShape
from tyllm_base.errors import UnsupportedError


@pytest.fixture(scope="module")
def model(tiny):
    return build_model(Checkpoint.open(tiny), trust_remote_code=False)


def targets(capture):
    return [node.target for node in capture.graph_module.graph.nodes if node.op == "call_function"]


def test_no_weight_is_in_memory(model):
    assert all(parameter.is_meta for parameter in model.parameters())
    assert not any(buffer.is_meta for buffer in model.buffers())
    assert model.config._attn_implementation == IMPLEMENTATION


def test_chunked_attention_is_refused(own_tiny):
    edit_json(own_tiny / "config.json", attention_chunk_size=16)
    with pytest.raises(UnsupportedError, match=r"sets attention_chunk_size to 16 and no layer_types"):
        build_model(Checkpoint.open(own_tiny), trust_remote_code=False)


def test_a_step_that_shows_attention_is_longer_than_its_window():
    assert tokens_recognized(GPTNeoConfig(window_size=256)) == 320
    assert tokens_recognized(GPTNeoConfig(window_size=256, max_position_embeddings=100)) == 100
    assert tokens_recognized(GPT2Config()) == tokens_recognized(XLNetConfig()) == 64  # of which one has no end
    with pytest.raises(UnsupportedError, match=r"window_size = 5000, and in code of a model's own windows up to 4032"):
        tokens_recognized(GPTNeoConfig(window_size=5000, max_position_embeddings=8192))


def test_a_step(model):
    captured = capture_step(model, StepShape(1, 4), 4, takes_embeddings=False)
    assert set(captured.inputs) == {"tokens", "positions", "row"}
    assert set(captured.parameters.values()) == {name for name, _ in model.named_parameters(remove_duplicate=False)}
    assert targets(captured).count(torch.ops.tytvm.attention.default) == 2


def test_embeddings_as_input(model):
    captured = capture_step(model, StepShape(1, 4), 4, takes_embeddings=True)
    assert set(captured.inputs) == {"embeddings", "positions", "row"}
    values = {n.name: n.meta["val"] for n in captured.graph_module.graph.nodes if n.op == "placeholder"}
    assert values["embeddings"].shape == (1, 4, 128) and values["embeddings"].dtype == torch.float32
    assert torch.ops.aten.embedding.default not in targets(captured)


@pytest.mark.parametrize("die", [0, 1, 2])
def test_a_die_has_its_shapes_and_shares_what_is_tied(model, die):
    own = copy.deepcopy(model)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters(remove_duplicate=False)}
    split = shard_model(model, 3, 32)
    cut_to_die(own, shapes, split, die)
    assert own.lm_head.weight is own.model.embed_tokens.weight
    attention = own.model.layers[0].self_attn
    assert attention.q_proj.weight.shape == ((32, 128), (32, 128), (64, 128))[die]
    assert attention.k_proj.bias.shape == (32,)
    captured = capture_step(own, StepShape(1, 1), 1, takes_embeddings=False)
    (output,) = next(node for node in captured.graph_module.graph.nodes if node.op == "output").args[0]
    start, stop = split.vocabulary[die]
    assert output.meta["val"].shape == (1, 1, stop - start)


def test_slopes_that_are_rounded_far_away(tmp_path):
    config = tiny_config("falcon", {"alibi": True})
    config.save_pretrained(tmp_path)
    with pytest.raises(UnsupportedError, match="what is no multiple of the distance"):
        build_model(Checkpoint(tmp_path, json.loads((tmp_path / "config.json").read_text()), {}), False)


def test_cutting_again_starts_from_the_whole(model):
    own = copy.deepcopy(model)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters(remove_duplicate=False)}
    for die in (0, 2, 0):
        cut_to_die(own, shapes, shard_model(model, 3, 32), die)
    assert own.model.layers[1].self_attn.q_proj.weight.shape == (32, 128)
