"""Packages and checkpoints are predictors: the same windows give as many logits, of each one's whole vocabulary."""

import numpy as np
import pytest

from tyllm.evaluate.open_predictor import open_predictor


@pytest.mark.parametrize("kind", ["package", "checkpoint"])
def test_every_token_but_the_first_is_predicted(kind, toy, tiny):
    windows, told = np.array([[1, 2, 3], [4, 5, 6]]), []
    with open_predictor(toy(dies=2) if kind == "package" else tiny) as predictor:
        found = [logits.copy() for logits in predictor.predictions(windows, lambda done, _: told.append(done))]
        assert [logits.shape for logits in found] == [(predictor.vocabulary,)] * 4
    assert {logits.dtype for logits in found} == {np.dtype(np.float32)}
    assert sum(told) == windows.size
