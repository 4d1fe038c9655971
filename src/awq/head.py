"""The output projection, whose rows stream by since it can be larger than any layer, and the norm before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from awq.memory import release
from awq.observation import InputStatistics
from awq.packed_weight import round_parts, stored
from awq.recipe import Recipe
from awq.rounding import Rounded, Scheme
from awq.safetensors_file import Array
from awq.scale_groups import NORM_OFFSETS, TOLERANCE, ScaleGroup, apply_scale, output_peaks, restoring
from awq.scale_search import Call, best_scale
from awq.skeleton import Skeleton
from awq.walk import LastHidden

ROWS = 2048  # rows of the head in memory at a time
SEARCH_ROWS = 16384  # evenly spread rows whose error decides the scale


@dataclass(frozen=True)
class HeadTask:
    """The head of `skeleton`, to be quantised by `recipe`."""

    skeleton: Skeleton
    recipe: Recipe

    @property
    def shape(self) -> tuple[int, ...]:
        """Vocabulary size and width."""
        return self.skeleton.checkpoint.info(self.skeleton.head_weight).shape

    def scheme(self) -> Scheme:
        """How to round it; raises `SettingError` if the shape does not allow it."""
        return self.recipe.config.scheme(self.skeleton.head, *self.shape)

    def rows(self, rows: slice) -> torch.Tensor:
        """Rows of the head's weight, float32 on the device; raises `CheckpointError`."""
        return self.skeleton.read_rows(self.skeleton.head_weight, rows)

    def blocks(self, scale: torch.Tensor | float = 1.0) -> Iterator[torch.Tensor]:
        """All rows, times `scale`, some at a time."""
        for start in range(0, self.shape[0], ROWS):
            yield self.rows(slice(start, start + ROWS)) * scale
            release()

    def nearest(self) -> dict[str, Array]:
        """The packed head without any search."""
        return self._stored(round_parts(self.blocks(), self.scheme()))

    def calibrated(self, last: LastHidden) -> dict[str, Array]:
        """The packed head, scaled and clipped for `last`; the norm before it has taken the inverse scale."""
        scheme = self.scheme()
        statistics = InputStatistics.empty(self.shape[1], scheme.group_size, last.hidden.device)
        statistics.add(last.hidden)
        group = scalable_norm(self.skeleton, last)
        scale = torch.ones_like(statistics.magnitude)
        if group is not None:
            scale = self._search(group, last.hidden[:: self.recipe.search_step], statistics, scheme)
            apply_scale(self.skeleton.model, group, scale)
        moments = statistics.scaled(scale).moments if self.recipe.apply_clip else None
        return self._stored(round_parts(self.blocks(scale), scheme, moments))

    def _stored(self, parts: Iterator[Rounded]) -> dict[str, Array]:
        return stored(self.skeleton.head, parts, self.scheme(), self.recipe.config.format)

    def _search(self, group: ScaleGroup, x: torch.Tensor, statistics: InputStatistics, scheme: Scheme) -> torch.Tensor:
        """The scale with the least error of the logits of `x` [n, T, H]."""
        sampled = self.rows(slice(None, None, -(-self.shape[0] // SEARCH_ROWS)))
        linear = nn.Linear(*sampled.shape[::-1], bias=False, device="meta")
        linear.weight = nn.Parameter(sampled, requires_grad=False)
        mean = statistics.magnitude / statistics.tokens
        peaks = output_peaks(self.skeleton.model, group, len(mean))
        return best_scale(linear, [linear], Call((x,), {}, linear(x)), mean, peaks, scheme, self.recipe.duo_scaling)


def scalable_norm(skeleton: Skeleton, last: LastHidden) -> ScaleGroup | None:
    """The norm that wrote the last hidden states, None if there is none or its outputs do not follow its weight."""
    if last.norm is None:
        return None
    norm = skeleton.model.get_submodule(last.norm)
    x = last.hidden[:1]
    scale = 0.5 + 1.5 * torch.rand(x.shape[-1], generator=torch.Generator().manual_seed(1)).to(x.device)
    expected = norm(x) / scale
    for offset in NORM_OFFSETS:
        group = ScaleGroup(last.norm, offset, (), "")
        with restoring(norm):
            apply_scale(skeleton.model, group, scale)
            if (norm(x) - expected).norm() <= TOLERANCE * expected.norm():
                return group
    return None
