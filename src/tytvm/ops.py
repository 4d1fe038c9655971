"""The operators that the compiler has kernels of its own for, each with its meaning in plain float32 torch.

Importing this module puts them under `torch.ops.tytvm`, for capture and the rewrites to write and the importer to read;
importing it again changes nothing. Run eagerly they are the slow, obvious judge of the fast kernels.
Letters in shapes: S tokens of this step, H heads or the hidden size, KH key-value heads, D and Dv head sizes; of
experts, T tokens, K choices of each, E experts, I width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Over the last axis, x / sqrt(mean(x²) + eps) · weight (Zhang and Sennrich 2019); x [..., H], weight [H]."""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021), first half paired with second.

    Args:
        x: [B,H,S,D], or tokens first: [S,H,D].
        cos: [B,S,D] or [S,D]; or of as many axes as x, one of length 1 for the heads.
        sin: the same.
    """
    if cos.ndim < x.ndim:
        cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) · up (Shazeer 2020), both of one shape."""
    return torch.nn.functional.silu(gate) * up


def quick_gelu(x: Tensor) -> Tensor:
    """The product x · sigmoid(1.702 x), of the shape of x (Hendrycks and Gimpel 2016)."""
    return x * torch.sigmoid(1.702 * x)


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    layer: int,
    scale: float,
    window: int = 0,
    softcap: float = 0.0,
    chunk: int = 0,
    sinks: Tensor | None = None,
    slopes: Tensor | None = None,
) -> Tensor:
    """Causal grouped-query attention of `layer`, here over these S tokens alone, as with an empty cache.

    Args:
        q: [1,H,S,D]; head h reads key-value head h // (H/KH).
        k: [1,KH,S,D].
        v: [1,KH,S,Dv].
        layer: whose cache the compiled program appends k and v to; it changes nothing here.
        scale: factor of the scores.
        window: how many of the last tokens a token sees, itself included; 0 is all of them.
        softcap: scores become softcap · tanh(scores / softcap) (Gemma 2); 0 is off.
        chunk: a token sees those of its own chunk of so many alone, counted from the first (Llama 4); 0 is off.
        sinks: [H], a score per head that takes its share of the weights and adds no value (gpt-oss).
        slopes: [H], by how much a score falls with each token of distance (ALiBi; BLOOM, MPT).

    Returns:
        [1,S,H,Dv].
    """
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    scores = q @ k.transpose(2, 3) * scale
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    if slopes is not None:
        place = torch.arange(q.shape[2], device=q.device)
        scores = scores - slopes.view(1, -1, 1, 1) * (place.unsqueeze(1) - place)
    scores = scores.masked_fill(~_visible(q.shape[2], window, chunk, q.device), -torch.inf)
    if sinks is not None:
        scores = torch.cat((scores, sinks.view(1, -1, 1, 1).expand(*scores.shape[:3], 1)), -1)
    weights = scores.softmax(-1)[..., : k.shape[2]]
    return (weights @ v).transpose(1, 2).contiguous()


def _visible(tokens: int, window: int, chunk: int, device: torch.device) -> Tensor:
    """Whether token s (row) sees token t (column): t ≤ s, within the window and the chunk of s; bool [S,S]."""
    row = torch.arange(tokens, device=device).unsqueeze(1)
    distance, within = row - row.T, row // (chunk or tokens) == row.T // (chunk or tokens)
    return (distance >= 0) & (distance < (window or tokens)) & within


def segment_attention(q: Tensor, k: Tensor, v: Tensor, bounds: Tensor | None, scale: float) -> Tensor:
    """Grouped-query attention without causality, in which each token sees the tokens of its own segment.

    Args:
        q: [B,H,S,D]; head h reads key-value head h // (H/KH).
        k: [B,KH,S,D].
        v: [B,KH,S,Dv].
        bounds: int [n+1], rising from 0 to S: segment i is the tokens from bounds[i] up to bounds[i+1]; None is one
            segment of all tokens.
        scale: factor of the scores.

    Returns:
        [B,S,H,Dv].
    """
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    lengths = [q.shape[2]] if bounds is None else bounds.diff().tolist()
    parts = zip(*(tensor.split(lengths, dim=2) for tensor in (q, k, v)), strict=True)
    whole = torch.cat([(q @ k.transpose(2, 3) * scale).softmax(-1) @ v for q, k, v in parts], dim=2)
    return whole.transpose(1, 2).contiguous()


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": torch.nn.functional.silu,
    "quick_gelu": quick_gelu,
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
}
"""The activations that an expert may have, by the names that kernels have for them."""


def gate(x: Tensor, activation: str, limit: float = 0.0, offset: float = 0.0) -> Tensor:
    """The gate of an MLP: activation(gate) · (up + offset), after gate was cut to limit and up to ±limit.

    Args:
        x: [...,2I], gate then up.
        activation: one of `ACTIVATIONS`.
        limit: 0 is none (gpt-oss has 7).
        offset: 0 but in gpt-oss, which has 1.

    Returns:
        [...,I].
    """
    gate, up = x.chunk(2, dim=-1)
    if limit:
        gate, up = gate.clamp(max=limit), up.clamp(-limit, limit)
    return ACTIVATIONS[activation](gate) * (up + offset)


def experts(
    x: Tensor,
    chosen: Tensor,
    weight: Tensor,
    gate_up: Tensor,
    down: Tensor,
    activation: str,
    limit: float = 0.0,
    offset: float = 0.0,
    gate_up_bias: Tensor | None = None,
    down_bias: Tensor | None = None,
) -> Tensor:
    """Experts (Shazeer et al. 2017): Σ over a token's choices e of weight · (downₑ gate(gate_upₑ x)), with biases.

    Args:
        x: [T,H].
        chosen: int64 [T,K], the numbers of the experts that each token goes to.
        weight: [T,K].
        gate_up: [E,2I,H]; of each expert the rows of its gate, then those of up.
        down: [E,H,I].
        activation: as `gate` has it, and so
        limit: and
        offset: too.
        gate_up_bias: [E·2I], one expert's behind the other's.
        down_bias: [E·H].

    Returns:
        [T,H].
    """
    both = torch.einsum("th,tknh->tkn", x, gate_up[chosen])
    both = both if gate_up_bias is None else both + gate_up_bias.view(len(gate_up), -1)[chosen]
    outputs = torch.einsum("tki,tkhi->tkh", gate(both, activation, limit, offset), down[chosen])
    outputs = outputs if down_bias is None else outputs + down_bias.view(len(down), -1)[chosen]
    return (outputs * weight.unsqueeze(-1)).sum(dim=1)


def all_reduce(x: Tensor) -> Tensor:
    """The sum of every die's x; in one process there is one die, so x itself (a copy: an operator never aliases)."""
    return x.clone()


def embedding(tokens: Tensor, first: Tensor, table: Tensor) -> Tensor:
    """Rows tokens − first of this die's slice of the table, zeros for the tokens of other dies.

    Args:
        tokens: int64 [1,S].
        first: int64 [1], the token of the slice's first row.
        table: [rows, H].

    Returns:
        float32 [1,S,H].
    """
    row = tokens - first
    here = (row >= 0) & (row < table.shape[0])
    return table[row.where(here, 0)].float() * here.unsqueeze(-1)


def _like_first(x: Tensor, *others: object, **options: object) -> Tensor:
    return torch.empty_like(x)


def _attention_shape(q: Tensor, k: Tensor, v: Tensor, *_: object, **__: object) -> Tensor:
    return q.new_empty(q.shape[0], q.shape[2], q.shape[1], v.shape[3])


def _segment_attention_shape(q: Tensor, k: Tensor, v: Tensor, bounds: Tensor | None, scale: float) -> Tensor:
    return q.new_empty(q.shape[0], q.shape[2], q.shape[1], v.shape[3])


def _embedding_shape(tokens: Tensor, first: Tensor, table: Tensor) -> Tensor:
    return table.new_empty(*tokens.shape, table.shape[1], dtype=torch.float32)


# Each operator: its meaning, and the shape and type of what it returns.
OPERATORS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "rms_norm": (rms_norm, _like_first),
    "rope": (rope, _like_first),
    "swiglu": (swiglu, _like_first),
    "quick_gelu": (quick_gelu, _like_first),
    "attention": (attention, _attention_shape),
    "segment_attention": (segment_attention, _segment_attention_shape),
    "experts": (experts, _like_first),
    "all_reduce": (all_reduce, _like_first),
    "embedding": (embedding, _embedding_shape),
}


def _define(name: str, meaning: Callable[..., Tensor], shape: Callable[..., Tensor]) -> None:
    """Put one operator under `torch.ops.tytvm`, with the schema that its meaning's signature gives."""
    torch.library.custom_op(f"tytvm::{name}", meaning, mutates_args=()).register_fake(shape)


for _name, (_meaning, _shape) in OPERATORS.items():
    if not hasattr(torch.ops.tytvm, _name):
        _define(_name, _meaning, _shape)
