"""The output projection, whose rows stream by since it can be larger than any layer, and the norm before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import nn

from awq.method.error_propagation import InputCorrection
from awq.method.hessian import COLUMNS, Hessian
from awq.method.layer_structure import NORM_OFFSETS, TOLERANCE, ScaleGroup, apply_scale, output_magnitudes, restoring
from awq.method.packed_weight import packed_tensors, quantize_parts
from awq.method.quantized_weight import QuantizedWeight
from awq.method.rounding import Scheme, quantize_to_nearest
from awq.method.rounding_errors import RelativeError, sampling_step
from awq.method.scale_search import RecordedCall, best_scale, moment_error, replay_error
from awq.method.shared_input import SharedInput
from awq.recipe import Recipe
from awq.stream.activation_statistics import InputStatistics
from awq.stream.layerwise_pass import LastHidden
from awq.stream.malloc_trim import trim_freed_memory
from awq.stream.meta_model import MetaModel
from hf_checkpoint.safetensors_file import Array

ROWS = 2048  # rows of the head in memory at a time
SEARCH_ROWS = 16384  # evenly spread rows whose error decides the scale


@dataclass(frozen=True)
class HeadTask:
    """The head of `model`, to be quantized by `recipe`.

    Attributes:
        model: the model.
        recipe: how to quantize.
        report: called with the share of the rows that is done.
        errors: the relative error of the quantized head, by its name.
    """

    model: MetaModel
    recipe: Recipe
    report: Callable[[float], None] = lambda share: None
    errors: dict[str, float] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Vocabulary size and width."""
        return self.model.checkpoint.info(self.model.head_weight).shape

    def scheme(self) -> Scheme:
        """How to round it; raises `SettingError` if the shape does not allow it."""
        return self.recipe.config.scheme(self.model.head, *self.shape)

    def read_rows(self, rows: slice) -> torch.Tensor:
        """Rows of the head's weight, float32 [n, H] on the device; raises `CheckpointError`."""
        return self.model.read_rows(self.model.head_weight, rows)

    def read_blocks(self, scale: torch.Tensor | float = 1.0) -> Iterator[torch.Tensor]:
        """All rows, times `scale`, float32 [n, H] at a time."""
        for start in range(0, self.shape[0], ROWS):
            self.report(start / self.shape[0])
            yield self.read_rows(slice(start, start + ROWS)) * scale
            trim_freed_memory()

    def quantized_to_nearest(self) -> dict[str, Array]:
        """The packed head [V, H] without any search."""
        return self._stored(
            self._measured(self.read_blocks(), None, lambda rows: quantize_to_nearest(rows, self.scheme()))
        )

    def quantized_by_replay(self, last: LastHidden) -> dict[str, Array]:
        """The packed head [V, H] by AutoAWQ's algorithm; the norm before it has taken the inverse scale."""
        statistics = self._statistics(last.hidden, self.scheme().group_size)
        x = last.hidden[:: self.recipe.search_step]

        def error(linear: nn.Linear) -> Callable[[torch.Tensor], float]:
            return replay_error(linear, [linear], RecordedCall((x,), {}, linear(x)), self.scheme())

        scale = self._scale(last, statistics, error)
        moments = statistics.scaled(scale).moments if "range" in self.recipe.parts else None
        return self._stored(quantize_parts(self.read_blocks(scale), self.scheme(), moments))

    def quantized_by_hessian(self, last: LastHidden, samples: int) -> dict[str, Array]:
        """The packed head [V, H] by Hessians, of the original stream's `samples`, with the stored one's behind them."""
        original, present = last.hidden[:samples], last.hidden[samples:]
        statistics = self._statistics(original, math.gcd(self.shape[1], COLUMNS))
        scale = self._scale(last, statistics, lambda linear: moment_error([linear], statistics.moments, self.scheme()))
        hessian, correction = Hessian.empty(self.shape[1], scale.device), None
        if "propagation" in self.recipe.parts:
            correction = InputCorrection.empty(self.shape[1], scale.device)
        for index in range(samples):
            target = original[index] / scale
            x = target if correction is None else present[index] / scale
            hessian.accumulate(x)
            if correction is not None:
                correction.accumulate(x, target)
        shared = SharedInput(hessian, correction, "range" in self.recipe.parts, "rounding" in self.recipe.parts)
        blocks = self.read_blocks(scale)
        return self._stored(self._measured(blocks, hessian, lambda rows: shared.quantize(rows, self.scheme())))

    def _measured(
        self,
        blocks: Iterable[torch.Tensor],
        hessian: Hessian | None,
        quantize: Callable[[torch.Tensor], QuantizedWeight],
    ) -> Iterator[QuantizedWeight]:
        """Quantize `blocks` of rows one after the other, and note the error of it all."""
        error, sampled = RelativeError(hessian), slice(None, None, sampling_step(self.shape[0]))
        for block in blocks:
            quantized = quantize(block)
            error.accumulate(block[sampled], quantized.select_rows(sampled).dequantize())
            yield quantized
        self.errors[self.model.head] = error.share

    def _statistics(self, hidden: torch.Tensor, size: int) -> InputStatistics:
        """Statistics of the head's input, `hidden` [n, T, H], with moments within blocks of `size` inputs."""
        statistics = InputStatistics.empty(self.shape[1], size, hidden.device)
        for sample in hidden:
            statistics.accumulate(sample)
        return statistics

    def _stored(self, parts: Iterable[QuantizedWeight]) -> dict[str, Array]:
        return packed_tensors(self.model.head, parts, self.scheme(), self.recipe.config.format)

    def _scale(
        self,
        last: LastHidden,
        statistics: InputStatistics,
        error: Callable[[nn.Linear], Callable[[torch.Tensor], float]],
    ) -> torch.Tensor:
        """The scale with the least `error` of some evenly spread rows, which the norm before the head takes."""
        group = scalable_norm(self.model, last)
        if group is None or "scale" not in self.recipe.parts:
            return torch.ones_like(statistics.magnitude)
        sampled = self.read_rows(slice(None, None, -(-self.shape[0] // SEARCH_ROWS)))
        linear = nn.Linear(*sampled.shape[::-1], bias=False, device="meta")
        linear.weight = nn.Parameter(sampled, requires_grad=False)
        largest = output_magnitudes(self.model.module, group, self.shape[1])
        options = (statistics.mean, largest, self.scheme(), error(linear), self.recipe.duo_scaling)
        scale = best_scale([linear], *options)
        apply_scale(self.model.module, group, scale)
        return scale


def scalable_norm(model: MetaModel, last: LastHidden) -> ScaleGroup | None:
    """The norm that wrote the last hidden states, None if there is none or its outputs do not follow its weight."""
    if last.norm is None:
        return None
    norm = model.module.get_submodule(last.norm)
    x = last.hidden[:1]
    scale = 0.5 + 1.5 * torch.rand(x.shape[-1], generator=torch.Generator().manual_seed(1)).to(x.device)
    expected = norm(x) / scale
    for offset in NORM_OFFSETS:
        group = ScaleGroup(last.norm, offset, (), "")
        with restoring(norm):
            apply_scale(model.module, group, scale)
            if (norm(x) - expected).norm() <= TOLERANCE * expected.norm():
                return group
    return None
