"""Sums of codes 0..15 times int8 activations for a tile of outputs, in the shortest type that holds them.

Where the CPU has vpmaddubsw but not vpdpbusd, sums stay in int16 for as long as they fit: the products of 32 inputs are
two sums of sixteen, at most 16 · 15 · 127 = 30480 each. A small tile has two sums for each output, which take turns: a
dot product waits five cycles for the one before it.

Sums of int16 are added in the order written. LLVM would add products to each other first, so that sums need not wait,
and would then have twice as many values as there are registers (docs/log/linear_kernels.md).
"""

import math

from tvm.script import tirx as T

from tytvm.kernels.linear.register_tile import Accumulators, RegisterTile
from tytvm.kernels.primitives.dp4a import dp4a, pmaddubsw, pmaddwd
from tytvm.kernels.primitives.expressions import Vector
from tytvm.kernels.primitives.vector import LANES, fence, fill, of
from tytvm.target import InstructionSet

_SHORT_INPUTS = 32
_SMALL = 4  # outputs of a tile, in vectors


class Int8Accumulators:
    """int32 sums of code · activation; so many `inputs` may be added before each `widen`."""

    def __init__(self, spec: InstructionSet, tile: RegisterTile, inputs: int) -> None:
        self._spec, self._tile = spec, tile
        self._sums = [Accumulators(tile, "int32") for _ in range(2 if len(list(tile)) <= _SMALL else 1)]
        self._added = dict.fromkeys(tile, 0)
        is_short = spec.int8_product == "vpmaddubsw"
        self._short = Accumulators(tile, "int16", 2 * LANES) if is_short else None
        self.inputs = math.gcd(inputs, _SHORT_INPUTS) if is_short else inputs

    def clear(self) -> None:
        """Sets all to zero."""
        for sums in self._sums:
            sums.clear()
        if self._short:
            self._short.clear()

    def accumulate(self, at: tuple[int, int], codes: Vector, x: Vector) -> None:
        """Adds the products of four inputs: four bytes of codes to a lane, and four int8."""
        if self._short:
            total = self._short[at] + pmaddubsw(self._spec, codes, x)
            self._short[at] = fence(total, "int16", 2 * LANES)
        else:
            sums = self._sums[self._added[at] % len(self._sums)]
            sums[at] = dp4a(self._spec, sums[at], codes, x)
            self._added[at] += 1

    def widen(self) -> None:
        """Moves sums to int32 before they could grow too large."""
        if not self._short:
            return
        for at in self._tile:
            pairs, ones = T.reinterpret(of("int32"), self._short[at]), fill(T.int32(0x00010001))
            self._sums[0][at] = self._sums[0][at] + pmaddwd(self._spec, pairs, ones)
        self._short.clear()

    def __getitem__(self, at: tuple[int, int]) -> Vector:
        first, *others = (sums[at] for sums in self._sums)
        return first + others[0] if others else first
