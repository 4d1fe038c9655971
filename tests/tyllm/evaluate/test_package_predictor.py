"""A package predicts each token of a window but the first from those before it in the window."""

import numpy as np
import pytest
from fake_package import reference_logits

from tyllm.evaluate.package_predictor import PackagePredictor

WINDOWS = np.random.default_rng(3).integers(0, 256, (2, 20))


def test_the_logits_of_every_token(toy):
    with PackagePredictor(toy(dies=2)) as predictor:
        found = [logits.copy() for logits in predictor.predictions(WINDOWS, lambda tokens, doing: None)]
    expected = [reference_logits(window[:end].tolist()) for window in WINDOWS for end in range(1, 20)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_work_adds_up_to_the_tokens(toy):
    told = []
    with PackagePredictor(toy(dies=2)) as predictor:
        for _ in predictor.predictions(WINDOWS, lambda tokens, doing: told.append((tokens, doing))):
            pass
    assert sum(tokens for tokens, _ in told) == pytest.approx(WINDOWS.size)
    assert {doing for _, doing in told} == {"window 1 of 2", "window 2 of 2"}
