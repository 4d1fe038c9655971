"""M-RoPE positions of tokens, images and videos: a temporal, a vertical and a horizontal position for each token.

M-RoPE is of Qwen2-VL (https://arxiv.org/abs/2409.12191, section 2.1); temporal positions by the second are of
Qwen2.5-VL (https://arxiv.org/abs/2502.13923). The numbers are those of `get_rope_index` in transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RopePositions = npt.NDArray[np.int32]
"""int32 [3, n]: temporal, vertical and horizontal position of each of n tokens."""


@dataclass(frozen=True)
class Span:
    """An image or video among the tokens: t · h · w of them from `start` on, row by row; `step` from t to t + 1."""

    start: int
    grid: tuple[int, int, int]
    step: int = 1

    @property
    def count(self) -> int:
        """The number of its tokens."""
        t, h, w = self.grid
        return t * h * w


def temporal_step(seconds_per_grid: float | None, tokens_per_second: float | None) -> int:
    """Temporal positions from one temporal patch to the next.

    Args:
        seconds_per_grid: between two temporal patches; None for an image.
        tokens_per_second: positions in a second; None where patches are counted (Qwen2-VL).
    """
    if seconds_per_grid is None or tokens_per_second is None:
        return 1
    return int(tokens_per_second * int(seconds_per_grid))  # whole seconds, as transformers counts them


def rope_index(count: int, spans: Sequence[Span]) -> RopePositions:
    """Positions int32 [3, count] of a prompt with images and videos at `spans`, which are in order.

    A text token has three equal positions, one more than the token's before it. An image's are its row's and column's
    beyond that; what follows goes on after its longer side.
    """
    parts, end, position = [], 0, 0
    for span in spans:
        parts.append(_line(position, span.start - end))
        position += span.start - end
        parts.append(_grid(position, span))
        position += max(span.grid[1:])
        end = span.start + span.count
    return np.concatenate([*parts, _line(position, count - end)], axis=1)


def count_on(before: RopePositions, count: int) -> RopePositions:
    """Positions int32 [3, count] of text after those before, int32 [3, n]: from their greatest + 1 on."""
    return _line(int(before.max()) + 1 if before.size else 0, count)


def _line(first: int, count: int) -> RopePositions:
    return np.repeat(np.arange(first, first + count, dtype=np.int32)[None], 3, axis=0)


def _grid(first: int, span: Span) -> RopePositions:
    positions = np.indices(span.grid, np.int32).reshape(3, -1)
    positions[0] *= span.step
    return positions + np.int32(first)
