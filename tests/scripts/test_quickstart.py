"""The quickstart's perplexity is the textbook's."""

import math

import numpy as np
import pytest


class Fair:
    """Every token has the probability 1/8, but the last of a window 1/2."""

    def __init__(self):
        self.windows = []

    def score(self, tokens):
        self.windows.append(len(tokens))
        return np.log(np.array([1 / 8] * (len(tokens) - 2) + [1 / 2], np.float32))


def test_perplexity_over_windows(script):
    quickstart, session = script("quickstart"), Fair()
    window = quickstart.WINDOW
    found = quickstart.perplexity(session, [0] * (2 * window), "x")
    assert session.windows == [window, window]
    mean = ((window - 2) * math.log(8) + math.log(2)) / (window - 1)
    assert found == pytest.approx(math.exp(mean), rel=1e-5)


def test_weights_bytes(script, tmp_path):
    (tmp_path / "batch_1").mkdir()
    (tmp_path / "batch_1" / "common_die0.params").write_bytes(bytes(9))
    (tmp_path / "config.json").write_bytes(bytes(5))
    assert script("quickstart").weights_bytes(tmp_path) == 9
