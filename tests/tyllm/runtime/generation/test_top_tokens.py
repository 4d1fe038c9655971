"""The likeliest tokens against a full sort."""

import numpy as np
import pytest

from tyllm.runtime.generation.top_tokens import kth_largest, likeliest_tokens


@pytest.mark.parametrize("count", [1, 5, 40, 700, 5_000, 19_999, 20_000, 30_000])
@pytest.mark.parametrize("kind", ["plain", "ties", "all the same", "mostly impossible"])
def test_they_are_those_of_a_full_sort(count, kind):
    logits = np.random.default_rng(count).normal(0, 3, 20_000).astype(np.float32)
    if kind == "ties":
        logits = np.round(logits)
    elif kind == "all the same":
        logits[:] = 2.5
    elif kind == "mostly impossible":
        logits[10:] = -np.inf
    least = np.sort(logits)[-min(count, logits.size)]
    assert likeliest_tokens(logits, count).tolist() == np.flatnonzero(logits >= least).tolist()


def test_the_kth_largest():
    values = np.asarray([3, 1, 2, 3], np.float32)
    assert [kth_largest(values, k) for k in (1, 2, 3, 4)] == [3, 3, 2, 1]
