"""The operators that converters ask a kernel for: each with its shapes, weight format and encodings.

`kernel_choice` gives each to the first kernel of its list that accepts it. Letters as in `tytvm.ops`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tytvm.kernels.operands.attention_tiling import Attention, AttentionTiling
from tytvm.kernels.operands.encoding import FLOAT32, Bfloat16, Encoding, Int8
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.kernels.operands.kv_cache import KvCache
from tytvm.kernels.operands.packed_sequences import PackedSequences
from tytvm.kernels.operands.qkv_source import QkvSource
from tytvm.weights import W4, W16, WeightFormat

__all__ = ["Attention"]


@dataclass(frozen=True)
class EmbeddingRows:
    """(tokens i64[count], first i64[1], table) → f32[count, width]: rows of a table; a tied one lies as its linear."""

    count: int
    table: WeightFormat


@dataclass(frozen=True)
class Encode:
    """f32[rows, width] → the same activations in another encoding."""

    rows: int
    width: int
    encoding: Int8 | Bfloat16


@dataclass(frozen=True)
class Linear:
    """(x [rows, in] in the kernel's own encoding, weight, [bias f32[out]]) → f32[rows, out]."""

    rows: int
    weight: W4 | W16
    has_bias: bool = False


@dataclass(frozen=True)
class ActivatedLinear:
    """A linear layer and its activation, one of `activation.KINDS`: the result is [rows, out] in `encoding`."""

    rows: int
    weight: W16
    activation: str
    encoding: Encoding
    has_bias: bool = False


@dataclass(frozen=True)
class GatedLinear:
    """silu(x · gateᵀ) · (x · upᵀ), both weights of one format: the result is [rows, out] in `encoding`."""

    rows: int
    weight: W4 | W16
    encoding: Encoding
    has_bias: bool = False


@dataclass(frozen=True)
class TopK:
    """(x f32[rows, width]) → the largest of each row, f32[rows, count], and where they lie, i64[rows, count]."""

    rows: int
    width: int
    count: int


@dataclass(frozen=True)
class GatherColumns:
    """(x f32[rows, width], index i64[rows, count]) → x[r, index[r, k]], f32[rows, count]."""

    rows: int
    width: int
    count: int


@dataclass(frozen=True)
class FillColumns:
    """(x f32[rows, width], index i64[rows, count]) → x with `value` at [r, index[r, k]]."""

    rows: int
    width: int
    count: int
    value: float


@dataclass(frozen=True)
class GroupByExpert:
    """(chosen i64[tokens, chosen]) → the tensors of `groups`."""

    groups: ExpertGroups


@dataclass(frozen=True)
class ExpertLinear:
    """(expert, bounds, [source], x in the kernel's encoding, a stack of weights, [biases]) → f32[grouped rows, out].

    Attributes:
        groups: The rows.
        weight: Of one expert; `groups.experts` of them lie one behind the other, as one weight of so many more outputs.
        gathers: Whether x has a row a token, which `source` finds; else it has the grouped rows.
        has_bias: Whether each expert has a bias, a part of f32[experts · out].
    """

    groups: ExpertGroups
    weight: W4 | W16
    gathers: bool
    has_bias: bool = False


@dataclass(frozen=True)
class GatedRows:
    """(x f32[rows, 2 · width]) → function(first half) · (second half + offset), [rows, width] in `encoding`.

    `limit`, where it is not 0, is the most that both halves are, and −limit the least of the second.
    """

    rows: int
    width: int
    function: str
    encoding: Encoding = FLOAT32
    limit: float = 0.0
    offset: float = 0.0


@dataclass(frozen=True)
class CombineExperts:
    """(rows f32[grouped rows, width], place, weight f32[tokens, chosen]) → f32[tokens, width]."""

    groups: ExpertGroups
    width: int


@dataclass(frozen=True)
class RmsNorm:
    """(x, [y] f32[rows, width], weight f32[width]) → [x + y f32[rows, width]], its norm in `encoding`."""

    rows: int
    width: int
    eps: float
    encoding: Encoding = FLOAT32
    with_sum: bool = False


@dataclass(frozen=True)
class LayerNorm:
    """(x, [y] f32[rows, width], weight, bias f32[width]) → [x + y f32[rows, width]], its norm in `encoding`."""

    rows: int
    width: int
    eps: float
    encoding: Encoding = FLOAT32
    with_sum: bool = False


@dataclass(frozen=True)
class SelectRows:
    """(x f32[tokens, width], index i64[count]) → x[index], [count, width] in `encoding`."""

    tokens: int
    width: int
    count: int
    encoding: Encoding = FLOAT32


@dataclass(frozen=True)
class Rope:
    """(x f32[H, S, D], cos, sin f32[S, D]) → f32[H, S, D].

    Attributes:
        heads: H.
        tokens: S.
        width: D.
        tokens_first: Whether x is [S, H, D].
        keeps_order: Whether the result is [S, H, D], too.
    """

    heads: int
    tokens: int
    width: int
    tokens_first: bool = False
    keeps_order: bool = False


@dataclass(frozen=True)
class SwiGlu:
    """(gate, up f32[rows, width]) → silu(gate) · up, [rows, width] in `encoding`."""

    rows: int
    width: int
    encoding: Encoding = FLOAT32


@dataclass(frozen=True)
class Activation:
    """f32[rows, width] → [rows, width] in `encoding`; `function` is one of `activation.KINDS`."""

    rows: int
    width: int
    function: str
    encoding: Encoding = FLOAT32


@dataclass(frozen=True)
class CacheAppend:
    """(k f32[KH, tokens, D], v f32[KH, tokens, Dv], position i64[1], the cache's tensors): written in place."""

    cache: KvCache
    tokens: int


@dataclass(frozen=True)
class AttentionMerge:
    """(what the parts of an attention left in its workspace) → f32[S, H, Dv]."""

    tiling: AttentionTiling


@dataclass(frozen=True)
class VarlenPack:
    """(the source's tensors, rows i32[positions]) → queries, keys and values as `VarlenAttention` reads them."""

    shape: PackedSequences
    source: QkvSource


@dataclass(frozen=True)
class VarlenAttention:
    """(packed queries, keys, values, rows, tasks) → [tokens, H · Dv] in `encoding`."""

    shape: PackedSequences
    encoding: Encoding = FLOAT32
