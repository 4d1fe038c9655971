"""How much each token counts in the Hessian of a layer that adds to the residual stream."""

from __future__ import annotations

import torch

LEAST = 1e-3  # of the median of the tokens' mean squares


def token_weights(hidden: torch.Tensor) -> torch.Tensor:
    """The square root of the weight that each token's error in the stream has, float32 [n, T], for `hidden` [n, T, H].

    The stream is normalized before it is read, so an error counts in proportion to the token's own size. Some tokens,
    such as the first, are a thousand times larger than others (Sun et al., arXiv 2402.17762) and would decide alone.
    So would one that the embedding makes zeros of: a token counts as at least `LEAST` times the median one.
    """
    size = hidden.square().mean(-1)
    positive = size[size > 0]
    size = size.clamp(min=float(positive.median()) * LEAST if len(positive) else 1.0)
    return (size.log().mean() - size.log()).mul(0.5).exp()
