"""A checkpoint predicts as transformers does, layer by layer."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from tyllm.evaluate.checkpoint_predictor import CheckpointPredictor

WINDOWS = np.random.default_rng(4).integers(0, 320, (3, 16))


def test_the_logits_of_every_token(tiny):
    with CheckpointPredictor(tiny) as predictor:
        found = [logits.copy() for logits in predictor.predictions(WINDOWS, lambda tokens, doing: None)]
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(WINDOWS)).logits[:, :-1].reshape(len(found), -1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_work_adds_up_to_the_tokens(tiny):
    done = []
    with CheckpointPredictor(tiny) as predictor:
        for _ in predictor.predictions(WINDOWS, lambda tokens, doing: done.append(tokens)):
            pass
    assert sum(done) == pytest.approx(WINDOWS.size)
