"""Attention against its definition: head ratios, positions, windows, soft caps, widths."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import Kernel, outputs

from tytvm.kernels import attention
from tytvm.target import resolve

CASES = [
    # H, KH, S, D, Dv, window, softcap
    (2, 2, 1, 64, 64, 0, 0.0),
    (4, 2, 5, 80, 80, 0, 0.0),
    (7, 1, 2, 96, 128, 33, 0.0),
    (14, 2, 1, 128, 64, 0, 30.0),
    (2, 1, 8, 72, 40, 9, 5.0),
    (3, 3, 96, 64, 64, 0, 0.0),
    (28, 4, 16, 128, 128, 50, 0.0),
]


def run(target, case, C, positions):
    H, KH, S, D, Dv, window, softcap = case
    spec = resolve(target)
    kernel = Kernel(attention.build(spec, H, KH, S, D, Dv, C, D**-0.5, window, softcap), spec)
    rng = np.random.default_rng(D)
    q = rng.normal(0, 2, (H, S, D)).astype(np.float32)
    k = rng.normal(size=(KH, C, D)).astype(np.float16)
    v = rng.normal(size=(KH, C, Dv)).astype(np.float16)
    for position in positions:
        beyond = position + S
        k[:, beyond:], v[:, beyond:] = np.nan, np.nan  # rows that nobody may read
        seen_k, seen_v = np.nan_to_num(k), np.nan_to_num(v)
        expected = attention.reference(q, seen_k, seen_v, position, D**-0.5, window, softcap)
        (out,) = outputs(kernel, (q, k, v, np.array([position])), expected, workers=3)
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
        k, v = seen_k, seen_v
        k[:, beyond:] = rng.normal(size=k[:, beyond:].shape)
        v[:, beyond:] = rng.normal(size=v[:, beyond:].shape)


@pytest.mark.parametrize("case", CASES)
def test_equals_reference(case):
    run("native", case, 1000 + case[2], (0, 1, 17, 1000))


@pytest.mark.parametrize("case", CASES[1:4])
def test_equals_reference_on_any_cpu(case):
    run("x86-64", case, 200, (0, 17, 150))


def test_a_long_cache():
    run("native", (2, 1, 1, 64, 64, 0, 0.0), 40000, (39999,))


def test_large_scores_do_not_overflow():
    spec = resolve("native")
    q = np.full((1, 1, 64), 300, np.float32)
    k = np.stack([np.full(64, value) for value in (-40, 40, 39)])[None].astype(np.float16)
    v = np.eye(3, 64)[None].astype(np.float16)
    kernel = Kernel(attention.build(spec, 1, 1, 1, 64, 64, 3, 1.0), spec)
    expected = attention.reference(q, k, v, 2, 1.0)
    (out,) = outputs(kernel, (q, k, v, np.array([2])), expected)
    np.testing.assert_allclose(out, expected, atol=1e-6)
