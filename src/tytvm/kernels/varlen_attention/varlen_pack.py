"""Queries, keys and values of packed sequences as `varlen_attention` reads them: rotated by their positions, in tiles.

One pass over what linear layers leave; a step of 32 positions of a head is made in the first cache, then moved.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script.builder import ir as script

from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization, WorkKind, symbol
from tytvm.kernels.operands.packed_sequences import STEP, PackedSequences
from tytvm.kernels.operands.qkv_source import QkvSource
from tytvm.kernels.operators import VarlenPack
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.cost import Cost, size
from tytvm.kernels.primitives.exponential import LOG2_E
from tytvm.kernels.primitives.expressions import Buffer, PrimFunc, Scalar, Vector
from tytvm.kernels.primitives.scratch import scratch
from tytvm.kernels.primitives.vector import LANES, fill, lanes_of, materialize, prefetch, span, zeros
from tytvm.kernels.rowwise.rope import reference as rope
from tytvm.target import InstructionSet


def build(spec: InstructionSet, shape: PackedSequences, source: QkvSource) -> PrimFunc:
    """(*source.tensors, rows i32[positions], *shape.packed()): queries times the factor of which 2^score is the weight.

    `rows` is `shape.token_rows()`. Positions without a token, and inputs that there are none of, become zeros.
    """
    P = shape.positions
    with IRBuilder() as builder, script.prim_func(is_private=True):
        script.func_name("segment_pack")
        buffers = {key: script.arg(key, T.Buffer(*tensor)) for key, tensor in source.tensors(shape).items()}
        rows = script.arg("rows", T.Buffer((P,), "int32"))
        packed = [script.arg(f"packed{i}", T.Buffer(*tensor)) for i, tensor in enumerate(shape.packed())]
        with T.parallel(P // STEP) as step:
            stage = StagedRows(shape, source, buffers, rows, step)
            writers = _TILES if shape.tiled else _FLOATS
            with T.serial(shape.H) as head:
                stage.fill(0, head, shape.scale * LOG2_E)
                writers[0](shape, stage, packed[0], head, step)
                with T.If(head < shape.KH), T.Then():
                    for part in (1, 2):
                        stage.fill(part, head)
                        writers[part](shape, stage, packed[part], head, step)
    return builder.get()


class StagedRows:
    """32 tokens' queries, keys or values of a head, float32, in the thread's memory."""

    def __init__(
        self, shape: PackedSequences, source: QkvSource, buffers: dict[str, Buffer], rows: Buffer, step: Scalar
    ) -> None:
        self.shape, self.source, self.buffers, self.tokens, self.step = shape, source, buffers, rows, step
        self.columns = max(shape.depth, shape.width)
        self.rows = scratch((STEP, self.columns), "float32")
        self.pairs = scratch((STEP, self.columns // 2), "int32", STEP * self.columns * 4)

    def fill(self, part: int, head: Scalar, factor: float = 1.0) -> None:
        """The tokens' queries (part 0), keys (1) or values (2); zeros for inputs and tokens that there are none of."""
        with T.serial(STEP) as i:
            row = materialize(self.tokens[self.step * STEP + i], "int32", 1)
            with T.If(row >= 0):
                with T.Then():
                    self._copy(part, head, i, row, factor)
                    self._clear(i, self.shape.D if part < 2 else self.shape.Dv)
                with T.Else():
                    self._clear(i, 0)

    def _clear(self, i: Scalar, start: int) -> None:
        lanes = math.gcd(lanes_of(self.columns), start)
        for at in range(start, self.columns, max(lanes, 1)):
            T.buffer_store(self.rows, zeros("float32", lanes), [i, span(at, lanes)])

    def _copy(self, part: int, head: Scalar, i: Scalar, row: Scalar, factor: float) -> None:
        self._prefetch(part, head, row)
        if self.source.rotated and part < 2:
            self._rotate(part, head, i, row, factor)
            return
        width = self.shape.D if part < 2 else self.shape.Dv
        lanes = lanes_of(width)
        with T.serial(width // lanes) as vector:
            at = span(vector * lanes, lanes)
            value = self.source.read(self.buffers, part, row, head, at) * fill(T.float32(factor), lanes)
            T.buffer_store(self.rows, value, [i, at])

    def _prefetch(self, part: int, head: Scalar, row: Scalar) -> None:
        """Prefetches what the next head reads of the token, if it lies beside this."""
        width = self.shape.D if part < 2 else self.shape.Dv
        if self.source.fused or self.source.by_token[part]:
            place = self.source.address(self.buffers, part, row, head)
            for start in range(0, width, LANES):
                prefetch(place[0], [*place[1], start], 4 * width, level=2)

    def _rotate(self, part: int, head: Scalar, i: Scalar, row: Scalar, factor: float) -> None:
        half = self.shape.D // 2
        if half % LANES and self.shape.D % LANES == 0:
            for vector in range(self.shape.D // LANES):
                self._rotate_vector(part, head, i, row, factor, vector * LANES)
            return
        lanes = lanes_of(half)
        cos, sin, times = self.buffers["cos"], self.buffers["sin"], fill(T.float32(factor), lanes)
        with T.serial(half // lanes) as vector:
            low, high = span(vector * lanes, lanes), span(half + vector * lanes, lanes)
            a, b = (
                materialize(self.source.read(self.buffers, part, row, head, at), "float32", lanes) for at in (low, high)
            )
            T.buffer_store(self.rows, (a * cos[row, low] - b * sin[row, low]) * times, [i, low])
            T.buffer_store(self.rows, (b * cos[row, high] + a * sin[row, high]) * times, [i, high])

    def _rotate_vector(self, part: int, head: Scalar, i: Scalar, row: Scalar, factor: float, start: int) -> None:
        """Whole vectors also where the halves end within one: smaller stores would hold up the loads after them."""
        D, half, at = self.shape.D, self.shape.D // 2, span(start)
        other = (start + half) % D

        def read(column: int) -> Vector:
            return materialize(self.source.read(self.buffers, part, row, head, span(column)))

        if other + LANES <= D:
            partner = read(other)
        else:
            last = D - LANES
            partner = materialize(T.Shuffle([read(last), read(0)], [other + lane - last for lane in range(LANES)]))
        signs = T.Select(T.ramp(start, 1, LANES) < fill(half), fill(T.float32(-factor)), fill(T.float32(factor)))
        cos = materialize(self.buffers["cos"][row, at] * fill(T.float32(factor)))
        sin = materialize(self.buffers["sin"][row, at] * signs)
        T.buffer_store(self.rows, read(start) * cos + partner * sin, [i, at])


def _left_tiles(shape: PackedSequences, stage: StagedRows, queries: Buffer, head: Scalar, step: Scalar) -> None:
    with T.serial(STEP) as i, T.serial(shape.depth // amx.DEPTH) as depth:
        at = [head, step * 2 + i // amx.SIDE, depth, i % amx.SIDE, span(0, amx.DEPTH)]
        T.buffer_store(queries, _rounded(stage, i, depth), at)


def _right_tiles_of_keys(shape: PackedSequences, stage: StagedRows, keys: Buffer, head: Scalar, step: Scalar) -> None:
    with T.serial(STEP) as i, T.serial(shape.depth // amx.DEPTH) as depth:
        pairs = T.reinterpret("int32x16", materialize(_rounded(stage, i, depth), "uint16", amx.DEPTH))
        T.buffer_store(stage.pairs, pairs, [i, span(depth * LANES)])
    with T.serial(2) as tile, T.serial(shape.depth // 2) as pair:
        sixteen = T.Shuffle([stage.pairs[tile * LANES + key, pair] for key in range(LANES)], list(range(LANES)))
        T.buffer_store(keys, sixteen, [head, step * 2 + tile, pair, span(0)])


def _right_tiles_of_values(
    shape: PackedSequences, stage: StagedRows, values: Buffer, head: Scalar, step: Scalar
) -> None:
    interleaved = [lane // 2 + lane % 2 * LANES for lane in range(2 * LANES)]
    with T.serial(shape.width // LANES) as vector, T.serial(amx.SIDE) as pair:
        two = [materialize(stage.rows[pair * 2 + each, span(vector * LANES)]) for each in (0, 1)]
        both = T.Shuffle([materialize(amx.bfloat16(*two), "uint16", amx.DEPTH)], interleaved)
        T.buffer_store(values, both, [head, step, vector, pair, span(0, amx.DEPTH)])


def _rounded(stage: StagedRows, i: Scalar, depth: Scalar) -> Vector:
    return amx.bfloat16(*(materialize(stage.rows[i, span(depth * amx.DEPTH + half)]) for half in (0, LANES)))


def _rows(shape: PackedSequences, stage: StagedRows, out: Buffer, head: Scalar, step: Scalar) -> None:
    lanes = lanes_of(int(out.shape[2]))
    with T.serial(STEP) as i, T.serial(int(out.shape[2]) // lanes) as vector:
        at = span(vector * lanes, lanes)
        T.buffer_store(out, stage.rows[i, at], [head, step * STEP + i, at])


def _columns(shape: PackedSequences, stage: StagedRows, keys: Buffer, head: Scalar, step: Scalar) -> None:
    with T.serial(STEP) as i, T.serial(shape.D) as d:
        T.buffer_store(keys, stage.rows[i, d], [head, step * 2 + i // LANES, d, i % LANES])


_Writer = Callable[[PackedSequences, StagedRows, Buffer, Scalar, Scalar], None]
_TILES: tuple[_Writer, ...] = (_left_tiles, _right_tiles_of_keys, _right_tiles_of_values)
_FLOATS: tuple[_Writer, ...] = (_rows, _columns, _rows)
"""Writers of 32 queries, keys and values of a head."""


def reference(
    shape: PackedSequences,
    q: npt.NDArray[np.float32],
    k: npt.NDArray[np.float32],
    v: npt.NDArray[np.float32],
    cos: npt.NDArray[np.float32] | None = None,
    sin: npt.NDArray[np.float32] | None = None,
) -> tuple[npt.NDArray[np.float32], ...]:
    """In NumPy: queries, keys and values by position, f32[position,head,input].

    Args:
        shape: The packed sequences.
        q: f32[token,H,D].
        k: f32[token,KH,D].
        v: f32[token,KH,Dv].
        cos: f32[token,D], where queries and keys are rotated.
        sin: The same.
    """
    if cos is not None and sin is not None:
        q, k = (rope(x, cos[:, None], sin[:, None]) for x in (q, k))
    rows = shape.token_rows()
    none = (rows < 0)[:, None, None]
    return tuple(np.where(none, np.float32(0), x[rows]) for x in (q * np.float32(shape.scale * LOG2_E), k, v))


def cost(shape: PackedSequences, source: QkvSource) -> Cost:
    """Operations and bytes."""
    read = sum(size(dtype, *extents) for extents, dtype in source.tensors(shape).values())
    written = sum(size(dtype, *extents) for extents, dtype in shape.packed())
    operations = shape.tokens * (shape.H + shape.KH) * shape.D * (4 if source.rotated else 1)
    return Cost({"float32": operations}, read + size("int32", shape.positions), written)


def accepts(target: KernelTarget, pack: VarlenPack) -> Specialization:
    """Every shape and source."""
    shape, source = pack.shape, pack.source
    name = symbol("segment_pack", shape.tokens, shape.H, shape.D, joined=source.fused, turned=source.rotated)
    return Specialization(name, (shape, source))


KERNEL = Kernel(VarlenPack, accepts, build, cost, reference, WorkKind.MOVE)
