"""Draws follow the probabilities, whichever way they are made."""

import numpy as np
import pytest

import tyllm.runtime.generation.distribution as module
from tyllm.runtime.generation.distribution import Distribution, draw_index

DRAWS = 5_000
SIZE = 4_100


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Few are few, chunks and blocks are short, and the last ones shorter."""
    for name, size in {"HEAD": 100, "FEW": 500, "CHUNK": 1000, "BLOCK": 64}.items():
        monkeypatch.setattr(module, name, size)


def p_value(counts, probabilities):
    """Of Pearson's chi-square test, by the normal approximation of Wilson and Hilferty."""
    expected = probabilities * counts.sum()
    rare = expected < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    used = expected > 0
    assert not counts[~used].any()
    degrees = used.sum() - 1
    chi_square = ((counts[used] - expected[used]) ** 2 / expected[used]).sum()
    normal = ((chi_square / degrees) ** (1 / 3) - (1 - 2 / (9 * degrees))) / np.sqrt(2 / (9 * degrees))
    return 0.5 * (1 - np.tanh(0.8 * normal))


def logits_of(kind):
    random = np.random.default_rng(1)
    logits = random.normal(0, 1.5, SIZE).astype(np.float32)
    if kind == "peaked":
        logits[random.permutation(logits.size)[:20]] += np.float32(7)
    elif kind == "masked":
        logits[30:] = -np.inf
    return logits


@pytest.mark.parametrize(
    ("kind", "temperature", "floor"),
    [
        ("peaked", 1.0, -np.inf),  # from the likeliest, and now and then from the rest
        ("flat", 1.0, -np.inf),  # from all
        ("masked", 1.0, -np.inf),
        ("peaked", 1.0, 3.0),  # from few
        ("flat", 2.0, -1.0),  # from many
    ],
)
def test_draws_follow_the_probabilities(kind, temperature, floor):
    logits = logits_of(kind)
    weights = np.exp((logits.astype(np.float64) - logits.max()) / temperature) * (logits >= floor)
    distribution, random = Distribution(logits, temperature), np.random.default_rng(2)
    draw = distribution.draw if floor == -np.inf else lambda random: distribution.draw_from(floor, random)
    counts = np.bincount([draw(random) for _ in range(DRAWS)], minlength=logits.size)
    assert p_value(counts, weights / weights.sum()) > 1e-3


def test_the_rest_is_drawn_by_rejection_where_it_weighs_little():
    distribution = Distribution(logits_of("peaked"), 1.0)
    head = distribution.head
    assert head.tokens.size == 100 and head.most_beside(SIZE) < head.sum
    beside = distribution.total - head.sum
    assert beside / distribution.total > 0.02  # enough for the test above to see it


def test_weights_of_all_are_those_of_some():
    distribution = Distribution(logits_of("masked"), 0.7)
    every = np.concatenate([distribution.chunk_weights(start) for start in distribution.starts])
    assert np.allclose(every, distribution.weights(np.arange(SIZE)), rtol=1e-5)
    assert distribution.total == pytest.approx(every.sum(), rel=1e-6)


def test_what_weighs_nothing_is_never_drawn():
    weights = np.asarray([0.0, 1.0, 0.0, 0.0])

    class Ends:
        """Gives the ends of the range of random numbers."""

        def __init__(self, value):
            self.random = lambda: value

    assert [draw_index(weights, Ends(value)) for value in (0.0, np.nextafter(1, 0), 1.0)] == [1, 1, 1]
