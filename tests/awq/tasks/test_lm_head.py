"""The head streams by in blocks; its norm takes the scale and the logits stay."""

from dataclasses import replace

import pytest
import torch
from tests.awq.tiny_models import token_lists

import awq.tasks.lm_head
from awq.quant_config import QuantConfig
from awq.recipe import Recipe
from awq.stream.activation_statistics import forward
from awq.stream.layerwise_pass import LastHidden, layerwise_pass
from awq.stream.meta_model import MetaModel
from awq.tasks.lm_head import HeadTask, scalable_norm
from hf_checkpoint.awq_gemm import PackedLinear, unpack_linear
from hf_checkpoint.checkpoint import Checkpoint


@pytest.fixture
def walked(checkpoint):
    def walk_through(family):
        samples = torch.tensor(token_lists(16))
        model = MetaModel.build(Checkpoint.open(checkpoint(family)), torch.device("cpu"))
        recipe = Recipe(QuantConfig(q_group_size=32, lm_head_enable=True), "awq", samples)
        last = layerwise_pass(model, samples, lambda index, layer, arguments: forward(layer, arguments, 8))
        return HeadTask(model, recipe), last

    with torch.no_grad():
        yield walk_through


def weight_of(stored):
    packed = PackedLinear(*(stored[f"lm_head.{field}"] for field in PackedLinear._fields))
    return torch.from_numpy(unpack_linear(packed).dequantize())


def test_blocks_make_the_whole(walked, monkeypatch):
    task, _ = walked("qwen2")
    monkeypatch.setattr(awq.tasks.lm_head, "ROWS", 40)
    assert [len(block) for block in task.read_blocks()] == [40, 40, 16]
    assert torch.equal(torch.cat(list(task.read_blocks(2.0))), 2 * task.read_rows(slice(None)))


@pytest.mark.parametrize(("family", "offset"), [("qwen2", 0.0), ("gemma2", 1.0)])
def test_the_norm_before_the_head_is_found(walked, family, offset):
    task, last = walked(family)
    group = scalable_norm(task.model, last)
    assert group is not None and (group.before, group.offset) == ("model.norm", offset)
    assert scalable_norm(task.model, LastHidden(last.hidden, None)) is None


def test_calibrated_head_is_nearer_than_the_nearest(walked):
    task, last = walked("llama")
    larger = last.hidden.clone()
    larger[..., 5] *= 200  # as if the model had an outlier channel before its head
    norm = task.model.module.model.norm
    before = norm.weight.clone()
    nearest = larger @ (weight_of(task.quantized_to_nearest()) - task.read_rows(slice(None))).T
    stored = task.quantized_by_replay(LastHidden(larger, last.norm))
    scale = before / norm.weight
    assert scale[5] > 2 * scale.median()
    found = (larger / scale) @ weight_of(stored).T - larger @ task.read_rows(slice(None)).T
    assert found.square().mean() < nearest.square().mean() / 4


@pytest.mark.parametrize("perturbed", [False, True])
def test_the_head_by_hessians_is_nearer_still(walked, perturbed):
    task, last = walked("llama")
    norm = task.model.module.model.norm
    weight, head = norm.weight.clone(), task.read_rows(slice(None))
    noise = torch.randn(last.hidden.shape, generator=torch.Generator().manual_seed(0)) * last.hidden.std() / 10
    present = last.hidden + noise if perturbed else last.hidden
    wanted = last.hidden @ head.T

    def error(stored):
        return float((present * norm.weight / weight @ weight_of(stored).T - wanted).square().mean())

    nearest = error(task.quantized_to_nearest())
    replayed = error(task.quantized_by_replay(last))
    norm.weight.data = weight.clone()
    parts = frozenset({"scale", "range", "rounding", *(["propagation"] if perturbed else [])})
    task = replace(task, recipe=replace(task.recipe, method="tyllm", parts=parts))
    streams = torch.cat([last.hidden, present]) if perturbed else last.hidden
    found = error(task.quantized_by_hessian(LastHidden(streams, last.norm), len(last.hidden)))
    assert found < replayed < nearest if not perturbed else found < nearest


def test_the_heads_blocks_are_rounded_as_one(walked, monkeypatch):
    task, last = walked("qwen2")
    task = replace(task, recipe=replace(task.recipe, method="tyllm", parts=frozenset({"range", "rounding"})))
    whole = task.quantized_by_hessian(last, len(last.hidden))
    monkeypatch.setattr(awq.tasks.lm_head, "ROWS", 40)
    parts = task.quantized_by_hessian(last, len(last.hidden))
    assert (weight_of(parts) != weight_of(whole)).float().mean() < 0.01  # other shapes may round otherwise


def test_a_head_without_a_norm_before_it_is_not_scaled(walked):
    task, last = walked("qwen2")
    task = replace(task, recipe=replace(task.recipe, method="tyllm", parts=frozenset({"scale"})))
    stored = task.quantized_by_hessian(LastHidden(last.hidden, None), len(last.hidden))
    assert torch.equal(weight_of(stored), weight_of(task.quantized_to_nearest()))
