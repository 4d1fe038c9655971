"""Which kernel stands for an operator, by instruction set and kind of activations; each is built once per shape."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from tytvm.kernels.attention import attention, attention_merge, cache_append
from tytvm.kernels.attention.attention_cut import Attention
from tytvm.kernels.attention.kv_cache import KvCache
from tytvm.kernels.linear import (
    activated_w16a16_amx,
    gated_w4a8_amx,
    gated_w16a16_amx,
    linear_w4a8,
    linear_w4a8_amx,
    linear_w4a16,
    linear_w16a16,
    linear_w16a16_amx,
)
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.cost import Cost
from tytvm.kernels.rowwise import (
    activation,
    bfloat16_tiles,
    embedding,
    layer_norm,
    quantize_rows,
    rms_norm,
    rope,
    select_rows,
    swiglu,
)
from tytvm.kernels.rowwise.encoding import FLOAT32, Bfloat16, Encoding, Int8
from tytvm.kernels.varlen_attention import varlen_attention, varlen_pack
from tytvm.kernels.varlen_attention.packed_sequences import Segments
from tytvm.kernels.varlen_attention.varlen_pack import Source
from tytvm.target import InstructionSet
from tytvm.weights import W4, W16, Plain, WeightFormat

ACTIVATION_GROUP = 128
"""Inputs that share one int8 scale, at most; see docs/log.md for what 32, 64 and 128 cost in accuracy."""


@dataclass(frozen=True)
class Kernels:
    """The kernels for one target. Every method returns a PrimFunc with attributes `tytvm.name` and `tytvm.cost`."""

    spec: InstructionSet
    int8_activations: bool

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

    def activation_group(self, weight: W4) -> int:
        """Inputs that share one scale of the int8 activations of a linear layer."""
        return math.gcd(ACTIVATION_GROUP, weight.group_size)

    def encoding(self, rows: int, weight: W4 | W16) -> Encoding:
        """How a linear layer of this weight reads so many rows of input; on AMX many of them lie in tiles."""
        if not self.int8_activations:
            return FLOAT32
        is_many = self.spec.has_tiles and rows >= amx.SIDE
        if isinstance(weight, W16):
            return Bfloat16() if is_many else FLOAT32
        group = self.activation_group(weight)
        return Int8(group, tiled=is_many and group % amx.BYTES == 0)

    def encode(self, rows: int, width: int, encoding: Int8 | Bfloat16) -> Any:
        """float32 activations in another encoding."""
        if isinstance(encoding, Bfloat16):
            kernel = _build(bfloat16_tiles, self.spec, rows, width)
            return _named(kernel, bfloat16_tiles.cost(rows, width), "bfloat16_tiles", rows, width)
        shape = (rows, width, encoding.group)
        kernel = _build(quantize_rows, self.spec, *shape, encoding.tiled)
        cost = quantize_rows.cost(*shape, encoding.tiled)
        return _named(kernel, cost, "quantize_rows", *shape, *["tiled"] * encoding.tiled)

    def rms_norm(self, rows: int, width: int, eps: float, encoding: Encoding, with_sum: bool) -> Any:
        """Root mean square norm, of a sum that it makes itself or of what is there."""
        name = f"{'add_' * with_sum}rms_norm{encoding.kind}"
        kernel = _build(rms_norm, self.spec, rows, width, eps, encoding, with_sum)
        return _named(kernel, rms_norm.cost(rows, width, encoding, with_sum), name, rows, width, *encoding.sizes)

    def layer_norm(self, rows: int, width: int, eps: float, encoding: Encoding, with_sum: bool) -> Any:
        """Layer norm, of a sum that it makes itself or of what is there."""
        name = f"{'add_' * with_sum}layer_norm{encoding.kind}"
        kernel = _build(layer_norm, self.spec, rows, width, eps, encoding, with_sum)
        return _named(kernel, layer_norm.cost(rows, width, encoding, with_sum), name, rows, width, *encoding.sizes)

    def select_rows(self, tokens: int, width: int, count: int, encoding: Encoding) -> Any:
        """Rows by their numbers."""
        kernel = _build(select_rows, self.spec, tokens, width, count, encoding)
        cost = select_rows.cost(width, count, encoding)
        return _named(kernel, cost, f"select_rows{encoding.kind}", tokens, width, count, *encoding.sizes)

    def rope(self, heads: int, tokens: int, width: int, by_token: bool, kept: bool = False) -> Any:
        """Rotary positions; `by_token` where x has tokens before heads, `kept` where the result shall have, too."""
        kernel = _build(rope, self.spec, heads, tokens, width, None, by_token, kept)
        kind = ["by_token"] * by_token + ["kept"] * kept
        return _named(kernel, rope.cost(heads, tokens, width), "rope", heads, tokens, width, *kind)

    def swiglu(self, rows: int, width: int, encoding: Encoding) -> Any:
        """silu(gate) · up."""
        kernel = _build(swiglu, self.spec, rows, width, encoding)
        return _named(
            kernel, swiglu.cost(rows, width, encoding), f"swiglu{encoding.kind}", rows, width, *encoding.sizes
        )

    def gated(self, rows: int, weight: W4 | W16, encoding: Encoding, has_bias: bool = False) -> Any:
        """silu(x · gateᵀ) · (x · upᵀ), both weights of one format; None where they are better done one by one."""
        inputs, sizes = self.encoding(rows, weight), (rows, weight.in_features, weight.out_features)
        if isinstance(weight, W16):
            if not (isinstance(inputs, Bfloat16) and isinstance(encoding, Bfloat16)):
                return None
            kernel = _build(gated_w16a16_amx, self.spec, *sizes, has_bias)
            cost = gated_w16a16_amx.cost(*sizes, has_bias)
            return _named(kernel, cost, "gated_w16a16_amx", *sizes, *["bias"] * has_bias)
        if has_bias or not (isinstance(inputs, Int8) and isinstance(encoding, Int8)):
            return None
        shape = (*sizes, weight.group_size, inputs.group, encoding.group)
        if not (inputs.tiled and encoding.tiled and gated_w4a8_amx.fits(*shape)):
            return None
        kernel = _build(gated_w4a8_amx, self.spec, *shape)
        return _named(kernel, gated_w4a8_amx.cost(*shape), "gated_w4a8_amx", *shape[:4])

    def activation(self, rows: int, width: int, kind: str, encoding: Encoding) -> Any:
        """One of `activation.KINDS`."""
        kernel, cost = (
            _build(activation, self.spec, rows, width, kind, encoding),
            activation.cost(rows, width, encoding),
        )
        return _named(kernel, cost, f"{kind}{encoding.kind}", rows, width, *encoding.sizes)

    def activated(self, rows: int, weight: W16, kind: str, encoding: Encoding, has_bias: bool) -> Any:
        """A linear layer and its activation; None where they are better done one by one."""
        if not (isinstance(self.encoding(rows, weight), Bfloat16) and isinstance(encoding, Bfloat16)):
            return None
        shape = (rows, weight.in_features, weight.out_features)
        kernel = _build(activated_w16a16_amx, self.spec, *shape, kind, has_bias)
        cost = activated_w16a16_amx.cost(*shape, has_bias)
        return _named(kernel, cost, f"{kind}_w16a16_amx", *shape, *["bias"] * has_bias)

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

    @property
    def rounds_products(self) -> bool:
        """Whether attention's products may be, and are, of bfloat16 in tiles."""
        return self.spec.has_tiles and self.int8_activations

    def segment_pack(self, shape: Segments, source: Source) -> Any:
        """Queries, keys and values as `segment_attention` reads them."""
        kind = ["joined"] * source.joined + ["turned"] * source.turned
        kernel, cost = _build(varlen_pack, self.spec, shape, source), varlen_pack.cost(shape, source)
        return _named(kernel, cost, "segment_pack", shape.tokens, shape.H, shape.D, *kind)

    def segment_attention(self, shape: Segments, encoding: Encoding) -> Any:
        """Attention of each token to its segment."""
        kernel, cost = _build(varlen_attention, self.spec, shape, encoding), varlen_attention.cost(shape, encoding)
        sizes = shape.tokens, len(shape.lengths), shape.H, shape.D
        return _named(kernel, cost, f"segment_attention{encoding.kind}", *sizes)

    def linear(self, rows: int, weight: W4 | W16, has_bias: bool) -> Any:
        """Linear layer; its input lies as `encoding` says."""
        module, name, shape = self._linear(rows, weight)
        cost = module.cost(*shape, has_bias)
        kernel = _build(module, self.spec, *shape, has_bias)
        return _named(kernel, cost, name, *shape[:4], *["bias"] * has_bias)

    def _linear(self, rows: int, weight: W4 | W16) -> tuple[Any, str, tuple[int, ...]]:
        """Module, name, and shape of the kernel."""
        encoding, shape = self.encoding(rows, weight), (rows, weight.in_features, weight.out_features)
        if isinstance(weight, W16):
            is_tiled = isinstance(encoding, Bfloat16)
            return linear_w16a16_amx if is_tiled else linear_w16a16, "linear_w16a16" + "_amx" * is_tiled, shape
        if not isinstance(encoding, Int8):
            return linear_w4a16, "linear_w4a16", (*shape, weight.group_size)
        module = linear_w4a8_amx if encoding.tiled else linear_w4a8
        return module, "linear_w4a8" + "_amx" * encoding.tiled, (*shape, weight.group_size, encoding.group)


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
