"""Queries, keys and values by segments as `segment_attention` reads them: turned by their positions, in tiles.

One pass over what linear layers leave; a step of 32 positions of a head is made in the first cache, then moved.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm.script import tirx as T
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script.builder import ir as script

from tytvm.kernels import amx
from tytvm.kernels.cost import Cost, size
from tytvm.kernels.exponential import LOG2_E
from tytvm.kernels.rope import reference as rope
from tytvm.kernels.scratch import scratch
from tytvm.kernels.segments import STEP, Segments, Tensor
from tytvm.kernels.vector import LANES, fill, hold, lanes_of, span, zeros
from tytvm.target import InstructionSet


@dataclass(frozen=True)
class Source:
    """Where queries, keys and values lie.

    Attributes:
        tokens: Of each of a batch's rows; all tensors hold whole rows, one after the other.
        by_token: For queries, keys and values: whether a token's heads lie side by side, [token, head, input].
        joined: Whether all three are one tensor [token, 3, head, input].
        turned: Whether queries and keys are to be turned by cosines and sines [token, D]. Implies `joined`.
    """

    tokens: int
    by_token: tuple[bool, bool, bool] = (True, True, True)
    joined: bool = False
    turned: bool = False

    def tensors(self, shape: Segments) -> dict[str, Tensor]:
        """Name → shape and type of what is read, in order."""
        found: dict[str, tuple[int, ...]]
        if self.joined:
            found = {"qkv": (shape.tokens, 3, shape.H, shape.D)}
        else:
            sizes = ((shape.H, shape.D), (shape.KH, shape.D), (shape.KH, shape.Dv))
            found = {name: self._shape(shape, part, *sizes[part]) for part, name in enumerate("qkv")}
        if self.turned:
            found |= dict.fromkeys(("cos", "sin"), (shape.tokens, shape.D))
        return {name: (extents, "float32") for name, extents in found.items()}

    def _shape(self, shape: Segments, part: int, heads: int, width: int) -> tuple[int, ...]:
        batch = shape.tokens // self.tokens
        return (shape.tokens, heads, width) if self.by_token[part] else (batch, heads, self.tokens, width)

    def read(self, buffers: dict[str, Any], part: int, row: Any, head: Any, at: Any) -> Any:
        """Inputs of a token's query (part 0), key (1) or value (2)."""
        if self.joined:
            return buffers["qkv"][row, part, head, at]
        if self.by_token[part]:
            return buffers["qkv"[part]][row, head, at]
        return buffers["qkv"[part]][row // self.tokens, head, row % self.tokens, at]


def build(spec: InstructionSet, shape: Segments, source: Source) -> Any:
    """(*source.tensors, rows i32[positions], *shape.packed()): queries times the factor of which 2^score is the weight.

    `rows` is `shape.rows()`. Positions without a token, and inputs that there are none of, become zeros.
    """
    P = shape.positions
    with IRBuilder() as builder, script.prim_func(is_private=True):
        script.func_name("segment_pack")
        buffers = {key: script.arg(key, T.Buffer(*tensor)) for key, tensor in source.tensors(shape).items()}
        rows = script.arg("rows", T.Buffer((P,), "int32"))
        packed = [script.arg(f"packed{i}", T.Buffer(*tensor)) for i, tensor in enumerate(shape.packed())]
        with T.parallel(P // STEP) as step:
            stage = Stage(shape, source, buffers)
            stage.clear()
            with T.serial(shape.H) as head:
                with T.serial(STEP) as i:
                    stage.fill(head, i, hold(rows[step * STEP + i], "int32", 1))
                (_write_tiles if shape.tiled else _write_floats)(shape, stage, packed, head, step)
    return builder.get()


class Stage:
    """32 tokens' query, key and value of a head, float32, in the thread's memory."""

    def __init__(self, shape: Segments, source: Source, buffers: dict[str, Any]) -> None:
        self.shape, self.source, self.buffers = shape, source, buffers
        self.columns = max(shape.depth, shape.width)
        self.rows = scratch((3, STEP, self.columns), "float32")
        self.pairs = scratch((STEP, self.columns // 2), "int32", 3 * STEP * self.columns * 4)

    def clear(self) -> None:
        """Zeros, for inputs that there are none of."""
        with T.serial(3) as part, T.serial(STEP) as i:
            self._clear(part, i)

    def _clear(self, part: Any, i: Any) -> None:
        lanes = lanes_of(self.columns)
        with T.serial(self.columns // lanes) as vector:
            T.buffer_store(self.rows, zeros("float32", lanes), [part, i, span(vector * lanes, lanes)])

    def fill(self, head: Any, i: Any, row: Any) -> None:
        """A token's, or zeros if `row` is negative; keys and values only where they are the head's."""
        with T.If(row >= 0):
            with T.Then():
                self._take(0, head, i, row, self.shape.scale * LOG2_E)
                with T.If(head < self.shape.KH), T.Then():
                    self._take(1, head, i, row, 1.0)
                    self._take(2, head, i, row, 1.0)
            with T.Else(), T.serial(3) as part:
                self._clear(part, i)

    def _take(self, part: int, head: Any, i: Any, row: Any, factor: float) -> None:
        if self.source.turned and part < 2:
            self._turn(part, head, i, row, factor)
            return
        width = self.shape.D if part < 2 else self.shape.Dv
        lanes = lanes_of(width)
        with T.serial(width // lanes) as vector:
            at = span(vector * lanes, lanes)
            value = self.source.read(self.buffers, part, row, head, at) * fill(T.float32(factor), lanes)
            T.buffer_store(self.rows, value, [part, i, at])

    def _turn(self, part: int, head: Any, i: Any, row: Any, factor: float) -> None:
        half = self.shape.D // 2
        lanes = lanes_of(half)
        cos, sin, times = self.buffers["cos"], self.buffers["sin"], fill(T.float32(factor), lanes)
        with T.serial(half // lanes) as vector:
            low, high = span(vector * lanes, lanes), span(half + vector * lanes, lanes)
            a, b = (hold(self.source.read(self.buffers, part, row, head, at), "float32", lanes) for at in (low, high))
            T.buffer_store(self.rows, (a * cos[row, low] - b * sin[row, low]) * times, [part, i, low])
            T.buffer_store(self.rows, (b * cos[row, high] + a * sin[row, high]) * times, [part, i, high])


def _write_tiles(shape: Segments, stage: Stage, packed: list[Any], head: Any, step: Any) -> None:
    """Queries to left tiles, keys and values to right tiles."""
    queries, keys, values = packed
    with T.serial(STEP) as i, T.serial(shape.depth // amx.DEPTH) as depth:
        at = [head, step * 2 + i // amx.SIDE, depth, i % amx.SIDE, span(0, amx.DEPTH)]
        T.buffer_store(queries, _rounded(stage, 0, i, depth), at)
        pairs = T.reinterpret("int32x16", hold(_rounded(stage, 1, i, depth), "uint16", amx.DEPTH))
        T.buffer_store(stage.pairs, pairs, [i, span(depth * LANES)])
    with T.If(head < shape.KH), T.Then():
        with T.serial(2) as tile, T.serial(shape.depth // 2) as pair:
            sixteen = T.Shuffle([stage.pairs[tile * LANES + key, pair] for key in range(LANES)], list(range(LANES)))
            T.buffer_store(keys, sixteen, [head, step * 2 + tile, pair, span(0)])
        turns = [lane // 2 + lane % 2 * LANES for lane in range(2 * LANES)]
        with T.serial(shape.width // LANES) as vector, T.serial(amx.SIDE) as pair:
            two = [hold(stage.rows[2, pair * 2 + each, span(vector * LANES)]) for each in (0, 1)]
            both = T.Shuffle([hold(amx.bfloat16(*two), "uint16", amx.DEPTH)], turns)
            T.buffer_store(values, both, [head, step, vector, pair, span(0, amx.DEPTH)])


def _rounded(stage: Stage, part: int, i: Any, depth: Any) -> Any:
    return amx.bfloat16(*(hold(stage.rows[part, i, span(depth * amx.DEPTH + half)]) for half in (0, LANES)))


def _write_floats(shape: Segments, stage: Stage, packed: list[Any], head: Any, step: Any) -> None:
    """Queries and values as they are, sixteen keys together and transposed."""
    queries, keys, values = packed
    with T.serial(STEP) as i, T.serial(shape.D) as d:
        T.buffer_store(queries, stage.rows[0, i, d], [head, step * STEP + i, d])
    with T.If(head < shape.KH), T.Then():
        with T.serial(STEP) as i, T.serial(shape.D) as d:
            T.buffer_store(keys, stage.rows[1, i, d], [head, step * 2 + i // LANES, d, i % LANES])
        with T.serial(STEP) as i, T.serial(shape.width // LANES) as vector:
            at = span(vector * LANES)
            T.buffer_store(values, stage.rows[2, i, at], [head, step * STEP + i, at])


def reference(
    shape: Segments,
    q: npt.NDArray[np.float32],
    k: npt.NDArray[np.float32],
    v: npt.NDArray[np.float32],
    cos: npt.NDArray[np.float32] | None = None,
    sin: npt.NDArray[np.float32] | None = None,
) -> tuple[npt.NDArray[np.float32], ...]:
    """In NumPy, what is packed, as float32 [position, head, input]; q, k, v are [token, head, input]."""
    if cos is not None and sin is not None:
        q, k = (rope(x, cos[:, None], sin[:, None]) for x in (q, k))
    rows = shape.rows()
    none = (rows < 0)[:, None, None]
    return tuple(np.where(none, np.float32(0), x[rows]) for x in (q * np.float32(shape.scale * LOG2_E), k, v))


def cost(shape: Segments, source: Source) -> Cost:
    """Operations and bytes."""
    read = sum(size(dtype, *extents) for extents, dtype in source.tensors(shape).values())
    written = sum(size(dtype, *extents) for extents, dtype in shape.packed())
    operations = shape.tokens * (shape.H + shape.KH) * shape.D * (4 if source.turned else 1)
    return Cost({"float32": operations}, read + size("int32", shape.positions), written)
