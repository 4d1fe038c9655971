"""Text that a model writes itself: what transformers would write with the same draws, in the memory of a layer."""

import pytest
import torch
from tests.awq.tiny_models import FAMILIES, VOCABULARY
from transformers import AutoModelForCausalLM

from awq.calibration import generation
from awq.calibration.generation import LIKELIEST, StreamedDecoder, drawn, generated_samples
from awq.stream.meta_model import MetaModel
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.safetensors_file import TensorInfo
from tyllm_base.errors import CheckpointError

STARTS = [[5], [17, 3, 9], [80], [5], [44, 2]]
LENGTH = 20


def planned(starts, length=LENGTH):
    rows = [[*start, *[-1] * (length - len(start))] for start in starts]
    return torch.tensor(rows)


def meta_model_of(folder):
    return MetaModel.build(Checkpoint.open(folder), torch.device("cpu"))


def written_by(model, starts, length, seed):
    """The same text by transformers' model in memory, without a cache."""
    draws = torch.rand((len(starts), length), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rows = []
    for row, start in enumerate(starts):
        tokens = list(start)
        while len(tokens) < length:
            logits = model(torch.tensor([tokens])).logits[:, -1]
            likeliest = len(tokens) < len(start) + LIKELIEST
            tokens += (logits.argmax(-1) if likeliest else drawn(logits, draws[row, len(tokens), None])).tolist()
        rows.append(tokens)
    return torch.tensor(rows)


@pytest.fixture
def streaming(monkeypatch):
    """Small models are not held, and few sequences go side by side."""
    monkeypatch.setattr(generation, "HELD_BYTES", 0)
    monkeypatch.setattr(generation, "CACHE_BYTES", 50_000)
    monkeypatch.setattr(generation, "HEAD_VALUES", 7 * 128)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_logits_are_those_of_transformers(checkpoint, streaming, family):
    tokens = torch.randint(VOCABULARY, (3, 24), generator=torch.Generator().manual_seed(0))
    expected = AutoModelForCausalLM.from_pretrained(checkpoint(family), dtype=torch.float32)(tokens).logits
    with StreamedDecoder(meta_model_of(checkpoint(family))).hooked() as decoder:
        decoder.forget()
        found = torch.stack([decoder.logits(tokens[:, place]) for place in range(24)], 1)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.01 * float(expected.std()))


@pytest.mark.parametrize("family", ["qwen2", "gpt_neox"])
@torch.no_grad()
def test_text_is_that_of_transformers(checkpoint, streaming, family):
    model = AutoModelForCausalLM.from_pretrained(checkpoint(family), dtype=torch.float32)
    found = generated_samples(meta_model_of(checkpoint(family)), planned(STARTS), seed=3)
    assert torch.equal(found, written_by(model, STARTS, LENGTH, 3))


def test_a_held_model_writes_the_same(checkpoint, streaming, monkeypatch):
    streamed = generated_samples(meta_model_of(checkpoint("llama")), planned(STARTS))
    monkeypatch.undo()
    meta_model = meta_model_of(checkpoint("llama"))
    assert torch.equal(generated_samples(meta_model, planned(STARTS)), streamed)
    assert torch.equal(generated_samples(meta_model, planned(STARTS)), streamed)
    assert not torch.equal(generated_samples(meta_model, planned(STARTS), seed=1), streamed)
    assert streamed[0].tolist() != streamed[3].tolist()  # the same start, other draws


def test_no_layer_stays_in_memory(checkpoint, streaming, monkeypatch):
    meta_model = meta_model_of(checkpoint("qwen3"))
    layer = sum(p.numel() for p in meta_model.layers[0].parameters())
    sizes, decoders = [], []
    fill = StreamedDecoder._fill

    def watched(decoder, *args):
        fill(decoder, *args)
        decoders.append(decoder)
        sizes.append(sum(tensor.numel() for tensor in decoder.memory.values()))

    monkeypatch.setattr(StreamedDecoder, "_fill", watched)
    generated_samples(meta_model, planned(STARTS, 4))
    assert max(sizes) <= layer + 2 * generation.HEAD_VALUES
    assert all(parameter.is_meta for part in meta_model.layers for parameter in part.parameters())
    assert not decoders[0].memory


@pytest.mark.parametrize(("held_bytes", "reads"), [(0, 7), (1 << 30, 1)])
def test_how_often_weights_are_read(checkpoint, streaming, monkeypatch, held_bytes, reads):
    meta_model = meta_model_of(checkpoint("llama"))
    copied = []
    copy = torch.Tensor.copy_
    monkeypatch.setattr(generation, "HELD_BYTES", held_bytes)
    monkeypatch.setattr(torch.Tensor, "copy_", lambda self, other: copied.append(self.shape) or copy(self, other))
    generated_samples(meta_model, planned([[1]], 8))
    assert copied.count(torch.Size([192, 128])) == reads * 2 * 2  # gate and up of two layers


def test_progress_counts_the_steps_of_every_group(checkpoint, streaming):
    seen = []
    generated_samples(meta_model_of(checkpoint("qwen2")), planned(STARTS), progress=lambda *step: seen.append(step[:2]))
    total = seen[-1][1]
    assert total > LENGTH - 1 and total % (LENGTH - 1) == 0
    assert seen == [(step, total) for step in range(1, total + 1)]


def test_draws_follow_the_distribution():
    logits = torch.tensor([0.1, 0.6, 0.3]).log().expand(3000, 3)
    uniform = torch.rand(3000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    counts = drawn(logits, uniform).bincount(minlength=3) / 3000
    torch.testing.assert_close(counts, torch.tensor([0.1, 0.6, 0.3]), rtol=0, atol=0.03)
    never = torch.tensor([[-torch.inf, 0.0, -torch.inf]]).expand(2, 3)
    assert drawn(never, torch.tensor([0.0, 1 - 1e-16], dtype=torch.float64)).tolist() == [1, 1]


def test_a_weight_that_is_nan(checkpoint, monkeypatch):
    meta_model = meta_model_of(checkpoint("qwen2"))
    read = TensorInfo.read

    def damaged(info):
        array = read(info)
        if info is meta_model.checkpoint.info("model.layers.1.mlp.up_proj.weight"):
            array[0, 0] = float("nan")
        return array

    monkeypatch.setattr(TensorInfo, "read", damaged)
    with pytest.raises(CheckpointError, match=r"layers\.1\.mlp\.up_proj\.weight holds NaN"):
        generated_samples(meta_model, planned(STARTS))
