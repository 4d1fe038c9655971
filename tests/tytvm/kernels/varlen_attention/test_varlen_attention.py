"""Packing and varlen attention against the definition in NumPy, on every instruction set that runs here."""

import numpy as np
import pytest
from tests.tytvm.kernels.harness import RUNNABLE, Kernel, outputs

from tytvm.kernels.operands.encoding import FLOAT32, Bfloat16
from tytvm.kernels.operands.packed_sequences import PackedSequences
from tytvm.kernels.operands.qkv_source import QkvSource
from tytvm.kernels.rowwise import bfloat16_tiles
from tytvm.kernels.varlen_attention import varlen_attention, varlen_pack
from tytvm.target import resolve

LENGTHS = {"one": (70,), "many": (64, 48, 24, 1, 33), "an empty one": (5, 0, 32), "a long one": (300, 20)}
TILED = [name for name in RUNNABLE if resolve(name).has_tiles]


@pytest.fixture(autouse=True)
def seed():
    np.random.seed(0)


def sample(shape, strength=1.0):
    """Queries, keys, values [token, head, input], and cosines and sines."""
    tokens = shape.tokens
    q = np.random.randn(tokens, shape.H, shape.D).astype(np.float32) * np.float32(strength)
    k = np.random.randn(tokens, shape.KH, shape.D).astype(np.float32)
    v = np.random.randn(tokens, shape.KH, shape.Dv).astype(np.float32)
    angle = np.random.randn(tokens, shape.D // 2).astype(np.float32)
    table = np.concatenate([angle, angle], -1)
    return q, k, v, np.cos(table), np.sin(table)


def empty(tensors):
    return [np.empty(extents, dtype) for extents, dtype in tensors]


def attend(spec, shape, source, inputs, encoding=FLOAT32, workers=2):
    """Both kernels, one after the other."""
    packing = Kernel(varlen_pack.build(spec, shape, source), spec)
    packed = outputs(packing, [*inputs, shape.token_rows()], *empty(shape.packed()), workers=workers)
    kernel = Kernel(varlen_attention.build(spec, shape, encoding), spec)
    made = empty(encoding.tensors(shape.tokens, shape.H * shape.Dv))
    return outputs(kernel, [*packed, shape.token_rows(), shape.tasks()], *made, workers=workers)[0]


def close(got, expected, tiled):
    bound = 2e-2 if tiled else 2e-5
    np.testing.assert_allclose(got.reshape(expected.shape), expected, atol=bound, rtol=bound)


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize(("heads", "width", "v_width"), [((2, 2), 80, 80), ((4, 2), 32, 16)])
def test_against_the_definition(name, lengths, heads, width, v_width):
    spec = resolve(name)
    shape = PackedSequences(LENGTHS[lengths], *heads, width, v_width, width**-0.5, spec.has_tiles)
    q, k, v, *_ = sample(shape)
    got = attend(spec, shape, QkvSource(shape.tokens), (q, k, v))
    close(got, varlen_attention.reference(shape, q, k, v), shape.tiled)


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize("width", [24, 32, 48, 80])
def test_fused_and_rotated(name, width):
    spec = resolve(name)
    shape = PackedSequences(LENGTHS["many"], 2, 2, width, width, 0.25, spec.has_tiles)
    q, k, v, cos, sin = sample(shape)
    got = attend(spec, shape, QkvSource(shape.tokens, fused=True, rotated=True), (np.stack([q, k, v], 1), cos, sin))
    rotated = varlen_pack.rope(q, cos[:, None], sin[:, None]), varlen_pack.rope(k, cos[:, None], sin[:, None])
    close(got, varlen_attention.reference(shape, *rotated, v), shape.tiled)


@pytest.mark.parametrize("name", RUNNABLE[-1:])
def test_batches_and_heads_before_tokens(name):
    spec = resolve(name)
    shape = PackedSequences((20, 13) * 2, 2, 1, 40, 8, 0.3, spec.has_tiles)
    q, k, v, *_ = sample(shape)
    by_head = [np.ascontiguousarray(x.reshape(2, 33, -1, x.shape[-1]).transpose(0, 2, 1, 3)) for x in (q, v)]
    got = attend(spec, shape, QkvSource(33, (False, True, False)), (by_head[0], k, by_head[1]))
    close(got, varlen_attention.reference(shape, q, k, v), shape.tiled)


@pytest.mark.parametrize("name", RUNNABLE)
def test_large_scores_raise_the_row_maximum(name):
    spec = resolve(name)
    shape = PackedSequences((600,), 1, 1, 16, 16, 1.0, spec.has_tiles)
    q, k, v, *_ = sample(shape)
    k *= np.linspace(0.1, 30, 600, dtype=np.float32)[:, None, None]
    rounded = [bfloat16(x) if shape.tiled else x for x in (q, k, v)]
    got = attend(spec, shape, QkvSource(600), rounded)
    assert np.isfinite(got).all()
    expected = varlen_attention.reference(shape, *rounded)
    assert np.abs(got.reshape(expected.shape) - expected).mean() < (0.05 if shape.tiled else 1e-4)


def bfloat16(x):
    return (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


@pytest.mark.parametrize("name", TILED)
def test_output_in_tiles(name):
    spec = resolve(name)
    shape = PackedSequences((40, 7), 2, 2, 80, 80, 0.1, True)
    q, k, v, *_ = sample(shape)
    floats = attend(spec, shape, QkvSource(47), (q, k, v))
    tiles = attend(spec, shape, QkvSource(47), (q, k, v), Bfloat16())
    expected = bfloat16_tiles.reference(floats.reshape(47, -1))
    rows = np.arange(47)
    np.testing.assert_array_equal(tiles[rows // 16, :, rows % 16], expected[rows // 16, :, rows % 16])


def test_which_encodings_can_be_written():
    assert varlen_attention.takes(PackedSequences((4,), 2, 2, 80, 80, 1.0, True), Bfloat16())
    assert not varlen_attention.takes(PackedSequences((4,), 3, 3, 80, 80, 1.0, True), Bfloat16())
    assert not varlen_attention.takes(PackedSequences((4,), 4, 4, 24, 24, 1.0, True), Bfloat16())
    assert varlen_attention.takes(PackedSequences((4,), 3, 3, 24, 24, 1.0, True), FLOAT32)
