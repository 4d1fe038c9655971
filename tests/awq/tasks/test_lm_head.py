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
from hf_checkpoint.awq_gemm import PackedLinear, dequantize
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
    return torch.from_numpy(dequantize(PackedLinear(*(stored[f"lm_head.{field}"] for field in PackedLinear._fields))))


def test_blocks_make_the_whole(walked, monkeypatch):
    task, _ = walked("qwen2")
    monkeypatch.setattr(awq.tasks.lm_head, "ROWS", 40)
    assert [len(block) for block in task.blocks()] == [40, 40, 16]
    assert torch.equal(torch.cat(list(task.blocks(2.0))), 2 * task.rows(slice(None)))


@pytest.mark.parametrize(("family", "offset"), [("qwen2", 0.0), ("gemma2", 1.0)])
def test_the_norm_before_the_head_is_found(walked, family, offset):
    task, last = walked(family)
    group = scalable_norm(task.model, last)
    assert group is not None and (group.before, group.offset) == ("model.norm", offset)
    assert scalable_norm(task.model, LastHidden(last.hidden, None)) is None


def test_calibrated_head_is_nearer_than_the_nearest(walked):
    task, last = walked("llama")
    loud = last.hidden.clone()
    loud[..., 5] *= 200  # as if the model had an outlier channel before its head
    norm = task.model.module.model.norm
    before = norm.weight.clone()
    nearest = loud @ (weight_of(task.nearest()) - task.rows(slice(None))).T
    stored = task.replayed(LastHidden(loud, last.norm))
    scale = before / norm.weight
    assert scale[5] > 2 * scale.median()
    found = (loud / scale) @ weight_of(stored).T - loud @ task.rows(slice(None)).T
    assert found.square().mean() < nearest.square().mean() / 4


@pytest.mark.parametrize("perturbed", [False, True])
def test_the_head_by_gram_matrices_is_nearer_still(walked, perturbed):
    task, last = walked("llama")
    norm = task.model.module.model.norm
    weight, head = norm.weight.clone(), task.rows(slice(None))
    noise = torch.randn(last.hidden.shape, generator=torch.Generator().manual_seed(0)) * last.hidden.std() / 10
    present = last.hidden + noise if perturbed else last.hidden
    wanted = last.hidden @ head.T

    def error(stored):
        return float((present * norm.weight / weight @ weight_of(stored).T - wanted).square().mean())

    nearest = error(task.nearest())
    replayed = error(task.replayed(last))
    norm.weight.data = weight.clone()
    parts = frozenset({"scale", "range", "rounding", *(["propagation"] if perturbed else [])})
    task = replace(task, recipe=replace(task.recipe, method="tyllm", parts=parts))
    streams = torch.cat([last.hidden, present]) if perturbed else last.hidden
    found = error(task.rounded(LastHidden(streams, last.norm), len(last.hidden)))
    assert found < replayed < nearest if not perturbed else found < nearest


def test_the_heads_blocks_are_rounded_as_one(walked, monkeypatch):
    task, last = walked("qwen2")
    task = replace(task, recipe=replace(task.recipe, method="tyllm", parts=frozenset({"range", "rounding"})))
    whole = task.rounded(last, len(last.hidden))
    monkeypatch.setattr(awq.tasks.lm_head, "ROWS", 40)
    parts = task.rounded(last, len(last.hidden))
    assert (weight_of(parts) != weight_of(whole)).float().mean() < 0.01  # other shapes may round otherwise


def test_a_head_without_a_norm_before_it_is_not_scaled(walked):
    task, last = walked("qwen2")
    task = replace(task, recipe=replace(task.recipe, method="tyllm", parts=frozenset({"scale"})))
    stored = task.rounded(LastHidden(last.hidden, None), len(last.hidden))
    assert torch.equal(weight_of(stored), weight_of(task.nearest()))
