"""Which kernel stands for an operator, by instruction set and kind of activations; each is built once per shape."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from tytvm.kernels import (
    amx,
    attention,
    attention_merge,
    bfloat16_tiles,
    cache_append,
    embedding,
    linear_w4a8,
    linear_w4a8_amx,
    linear_w4a16,
    linear_w16a16,
    linear_w16a16_amx,
    quantize_rows,
    rms_norm,
    rope,
    swiglu,
)
from tytvm.kernels.attention_cut import Attention
from tytvm.kernels.cost import Cost
from tytvm.kernels.kv_cache import KvCache
from tytvm.target import InstructionSet
from tytvm.weights import W4, W16, Plain, WeightFormat

ACTIVATION_GROUP = 128
"""Inputs that share one int8 scale, at most; see docs/log.md for what 32, 64 and 128 cost in accuracy."""


@dataclass(frozen=True)
class Kernels:
    """The kernels for one target. Every method returns a PrimFunc with attributes `tytvm.name` and `tytvm.cost`."""

    spec: InstructionSet
    int8_activations: bool

    def activation_group(self, weight: W4) -> int:
        """Inputs that share one scale of the int8 activations of a linear layer."""
        return math.gcd(ACTIVATION_GROUP, weight.group_size)

    def embedding(self, count: int, table: WeightFormat) -> Any:
        """Rows of a table; a tied table lies as its linear weight does."""
        tiled = isinstance(table, W16)
        rows, width = (table.out_features, table.in_features) if isinstance(table, W16) else _shape(table)
        return _named(
            _build(embedding, self.spec, count, rows, width, tiled),
            embedding.cost(count, width),
            "embedding",
            count,
            rows,
            width,
        )

    def rms_norm(self, rows: int, width: int, eps: float) -> Any:
        """Root mean square norm."""
        return _named(
            _build(rms_norm, self.spec, rows, width, eps), rms_norm.cost(rows, width), "rms_norm", rows, width
        )

    def rope(self, heads: int, tokens: int, width: int) -> Any:
        """Rotary positions."""
        return _named(
            _build(rope, self.spec, heads, tokens, width), rope.cost(heads, tokens, width), "rope", heads, tokens, width
        )

    def swiglu(self, rows: int, width: int) -> Any:
        """silu(gate) · up."""
        return _named(_build(swiglu, self.spec, rows, width), swiglu.cost(rows, width), "swiglu", rows, width)

    def cache_append(self, cache: KvCache, tokens: int) -> Any:
        """New keys and values into a layer's cache."""
        kernel = _build(cache_append, self.spec, cache, tokens)
        return _named(kernel, cache_append.cost(cache, tokens), "cache_append", cache.KH, tokens, cache.D)

    def attention(self, shape: Attention) -> Any:
        """Causal attention over the cache, or the parts of it."""
        kernel, cost = _build(attention, self.spec, shape), attention.cost(shape, shape.cache.C)
        return _named(kernel, cost, "attention", shape.H, shape.S, shape.cache.D, shape.window)

    def attention_merge(self, shape: Attention) -> Any:
        """The parts of an attention brought together."""
        cut = attention.cut_of(self.spec, shape)
        kernel, cost = _build(attention_merge, self.spec, cut), attention_merge.cost(cut)
        return _named(kernel, cost, "attention_merge", shape.H, shape.S, shape.cache.Dv)

    def tiled(self, rows: int, weight: W4 | W16) -> bool:
        """Whether the activations of a linear layer lie in AMX tiles, as int8 or bfloat16 by the kind of its weight."""
        if isinstance(weight, W4):
            whole_tiles = self.activation_group(weight) % amx.BYTES == 0
        else:
            whole_tiles = weight.in_features % amx.DEPTH == 0
        return self.spec.has_tiles and self.int8_activations and whole_tiles and rows >= amx.SIDE

    def quantize_rows(self, rows: int, width: int, group: int, tiled: bool = False) -> Any:
        """float32 activations to int8 by groups."""
        shape = (rows, width, group, tiled)
        kernel = _build(quantize_rows, self.spec, *shape)
        return _named(kernel, quantize_rows.cost(*shape), "quantize_rows", *shape[:3], *["tiled"] * tiled)

    def linear_w4(self, rows: int, weight: W4, has_bias: bool) -> Any:
        """Linear layer of an INT4 weight; its inputs are quantised activations, or float32 ones."""
        shape = (rows, weight.in_features, weight.out_features, weight.group_size)
        if self.int8_activations:
            group = self.activation_group(weight)
            module, name = (
                (linear_w4a8_amx, "linear_w4a8_amx") if self.tiled(rows, weight) else (linear_w4a8, "linear_w4a8")
            )
            kernel = _build(module, self.spec, *shape, group, has_bias)
            return _named(kernel, module.cost(*shape, group, has_bias), name, *shape, *["bias"] * has_bias)
        kernel = _build(linear_w4a16, self.spec, *shape, has_bias)
        return _named(kernel, linear_w4a16.cost(*shape, has_bias), "linear_w4a16", *shape, *["bias"] * has_bias)

    def linear_w16a16(self, rows: int, weight: W16, has_bias: bool) -> Any:
        """Linear layer of a float16 weight."""
        shape = (rows, weight.in_features, weight.out_features)
        module, name = (
            (linear_w16a16_amx, "linear_w16a16_amx") if self.tiled(rows, weight) else (linear_w16a16, "linear_w16a16")
        )
        kernel = _build(module, self.spec, *shape, has_bias)
        return _named(kernel, module.cost(*shape, has_bias), name, *shape, *["bias"] * has_bias)

    def bfloat16_tiles(self, rows: int, width: int) -> Any:
        """float32 activations to bfloat16 in AMX tiles."""
        kernel = _build(bfloat16_tiles, self.spec, rows, width)
        return _named(kernel, bfloat16_tiles.cost(rows, width), "bfloat16_tiles", rows, width)


@cache
def _build(module: Any, spec: InstructionSet, *shape: Any) -> Any:
    """A kernel's PrimFunc; parsing TVMScript takes tens of milliseconds, so each shape is parsed once."""
    return module.build(spec, *shape)


def _named(function: Any, cost: Cost, *name: Any) -> Any:
    symbol = "_".join(str(part) for part in name)
    return function.with_attr("tytvm.name", symbol).with_attr("tytvm.cost", json.dumps(asdict(cost)))


def _shape(table: WeightFormat) -> tuple[int, int]:
    assert isinstance(table, Plain)
    rows, width = table.shape
    return rows, width
