"""Compiled batches beside Hugging Face's model: rows of several sequences, several rows of one, batches not full."""

import numpy as np
import pytest
import torch
from tests.tiny_checkpoint import write_tiny
from transformers import AutoModelForCausalLM

from tyllm.build_util import build_and_compile_llm
from tyllm.package.step_shape import StepShape
from tyllm.runtime import Session
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.step.model_runner import ScheduledChunk

SEQUENCES = [np.random.default_rng(n).integers(0, 320, n).tolist() for n in (40, 1, 23, 60)]
FORMS = {
    "1 die": ({"dev_count": 1}, {}, 5e-3),
    "3 dies, heads of their own": ({"dev_count": 3}, {"tie_word_embeddings": False}, 5e-3),
    "int8 cache": ({"dev_count": 2, "kv_cache_dtype": "int8"}, {}, 0.1),
    "INT4, int8 activations": ({"dev_count": 1, "quantize": "rtn", "group_size": 32, "activations": "int8"}, {}, None),
}


@pytest.fixture(scope="module", params=FORMS)
def form(request, tmp_path_factory):
    options, config, tolerance = FORMS[request.param]
    folder = tmp_path_factory.mktemp("batches")
    checkpoint = write_tiny(folder / "model", **config)
    options = {"activations": "float16", "batch_sizes": (3, 8)} | options
    package = build_and_compile_llm(checkpoint, folder / "package", 64, (1, 16), **options)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    with Session(package, threads=2, slots=5) as opened:
        yield opened, model, tolerance


def expected(session, model, tolerance):
    """For each sequence the logits after each token: Hugging Face's; of INT4 those of the program for one sequence."""
    if tolerance is None:
        return [np.stack([session.logits(tokens[: end + 1], 4) for end in range(len(tokens))]) for tokens in SEQUENCES]
    with torch.no_grad():
        return [model(torch.tensor([tokens])).logits[0].numpy() for tokens in SEQUENCES]


def test_every_row_is_as_if_its_sequence_were_alone(form):
    """Sequences are fed in pieces of random length, in random order, some in one step with others."""
    session, model, tolerance = form
    wanted, rng = expected(session, model, tolerance), np.random.default_rng(0)
    leases = [session.conversation(slot).slot.take_over(0) for slot in range(len(SEQUENCES))]
    fed = [0] * len(SEQUENCES)
    while any(fed[slot] < len(tokens) for slot, tokens in enumerate(SEQUENCES)):
        room, batch, ends = 8, [], []
        for slot in rng.permutation(len(SEQUENCES)).tolist():
            count = int(min(rng.integers(0, 5), room, len(SEQUENCES[slot]) - fed[slot]))
            if count:
                piece = Prompt(SEQUENCES[slot][fed[slot] : fed[slot] + count])
                batch.append(ScheduledChunk(leases[slot], piece, "all"))
                fed[slot], room = fed[slot] + count, room - count
                ends.append((slot, fed[slot]))
        for chunk, logits, (slot, end) in zip(batch, session._runner.step(batch), ends, strict=True):
            np.testing.assert_allclose(logits, wanted[slot][end - len(chunk.prompt) : end], atol=tolerance or 0.05)


def test_scores_of_a_text_take_many_rows_a_head(form):
    session, model, tolerance = form
    tokens = SEQUENCES[3]
    logits = expected(session, model, tolerance)[3][:-1].astype(np.float64)
    logprobs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    found = session.score(tokens)
    np.testing.assert_allclose(found, logprobs[np.arange(len(tokens) - 1), tokens[1:]], atol=tolerance or 0.05)


def test_a_chunk_takes_several_rows_a_head_without_batches_too(form, monkeypatch):
    """16 tokens: the body once, the head once for 4 or, with AMX tiles, 16 rows; the logits are those of each token."""
    session, model, tolerance = form
    wanted, runs, step = expected(session, model, tolerance)[3][:16], [], session._engine.step
    monkeypatch.setattr(session._engine, "step", lambda *a, **b: (runs.append(b), step(*a, **b)))
    monkeypatch.setattr(session._runner, "_batch_for", lambda batch: None)
    lease = session.conversation(0).slot.take_over(0)
    (logits,) = session._runner.step([ScheduledChunk(lease, Prompt(SEQUENCES[3][:16]), "all")])
    np.testing.assert_allclose(logits, wanted, atol=tolerance or 0.05)
    heads = 16 // session._engine.logit_rows(StepShape(1, 16))
    assert heads in (1, 4) and runs == [{"body": not run, "head": True} for run in range(heads)]


def test_weights_are_stored_once(form):
    names = list(form[0].info.files)
    assert [name for name in names if name.startswith("batch_") and "common" in name] == [
        f"batch_1/common_die{die}.params" for die in range(form[0].info.dies)
    ]
    assert {name.split("/")[0] for name in names if name.startswith("batch_")} == {"batch_1", "batch_3", "batch_8"}
