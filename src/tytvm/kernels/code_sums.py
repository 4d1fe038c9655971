"""Sums of codes 0..15 times int8 activations for a tile of outputs, in the shortest type that holds them.

Where the CPU has vpmaddubsw but not vpdpbusd, sums stay in int16 for as long as they fit: the products of 32 inputs are
two sums of sixteen, at most 16 · 15 · 127 = 30480 each.
"""

import math
from typing import Any

from tvm.script import tirx as T

from tytvm.kernels.dot4 import dot4, pmaddubsw, pmaddwd
from tytvm.kernels.tile import Registers, Tile
from tytvm.kernels.vector import LANES, fill, of
from tytvm.target import InstructionSet

_SHORT_INPUTS = 32


class CodeSums:
    """int32 sums of code · activation; so many `inputs` may be added before each `widen`."""

    def __init__(self, spec: InstructionSet, tile: Tile, inputs: int) -> None:
        self._spec, self._tile = spec, tile
        self._sums = Registers(tile, "int32")
        is_short = spec.int8_product == "vpmaddubsw"
        self._short = Registers(tile, "int16", 2 * LANES) if is_short else None
        self.inputs = math.gcd(inputs, _SHORT_INPUTS) if is_short else inputs

    def clear(self) -> None:
        """Sets all to zero."""
        self._sums.clear()
        if self._short:
            self._short.clear()

    def add(self, at: tuple[int, int], codes: Any, x: Any) -> None:
        """Adds the products of four inputs: four bytes of codes to a lane, and four int8."""
        if self._short:
            self._short[at] = self._short[at] + pmaddubsw(self._spec, codes, x)
        else:
            self._sums[at] = dot4(self._spec, self._sums[at], codes, x)

    def widen(self) -> None:
        """Moves sums to int32 before they could grow too large."""
        if not self._short:
            return
        for at in self._tile:
            pairs, ones = T.reinterpret(of("int32"), self._short[at]), fill(T.int32(0x00010001))
            self._sums[at] = self._sums[at] + pmaddwd(self._spec, pairs, ones)
        self._short.clear()

    def __getitem__(self, at: tuple[int, int]) -> Any:
        return self._sums[at]
