"""The report of a finished run: the error of each linear layer and of each decoder layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from awq.method.rounding_errors import LAYER, from_part
from awq.recipe import Recipe
from awq.stream.meta_model import MetaModel
from awq.tasks.hessian_experts import FEWEST_TOKENS
from awq.tasks.linear_layers import LinearLayer, linear_layers, tower_linear_layers
from awq.tasks.vision_tower import TowerTask
from awq.work.part_names import REST, errors_part, layer_part, tokens_part, vision_part
from awq.work.work_folder import WorkFolder
from hf_checkpoint.weight_names import stored_name

OUTPUTS, WEIGHTS = "outputs", "weights"
NAMED = 8  # rare experts that a warning names


@dataclass(frozen=True)
class LinearError:
    """A quantized linear layer: its name, the bits of its codes, how many weights, and its relative squared error."""

    name: str
    bits: int
    weights: int
    error: float


@dataclass(frozen=True)
class QuantizationReport:
    """The errors that quantizing has made.

    Attributes:
        measure: of what a linear layer's error is a share: of its `OUTPUTS` on the calibration text as the stored model
            sees it, or of its `WEIGHTS`.
        linears: the quantized linear layers in order, as far as their errors are known.
        layers: relative squared error of the stream behind each decoder layer; empty where it is not known.
        vision: the vision tower's quantized linear layers, whose errors are always shares of their `WEIGHTS`.
        rare_experts: experts that few calibration tokens chose, by name, with how many did.
    """

    measure: str
    linears: tuple[LinearError, ...]
    layers: tuple[float, ...]
    vision: tuple[LinearError, ...] = ()
    rare_experts: Mapping[str, int] = field(default_factory=dict)

    def worst(self, count: int) -> list[LinearError]:
        """The linear layers with the largest errors."""
        return sorted(self.linears, key=lambda linear: -linear.error)[:count]

    @property
    def rarity(self) -> str | None:
        """A warning if there are `rare_experts`."""
        if not self.rare_experts:
            return None
        found = [f"{name} ({tokens})" for name, tokens in sorted(self.rare_experts.items(), key=lambda each: each[1])]
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        return (
            f"Fewer than {FEWEST_TOKENS} calibration tokens chose the experts {', '.join(found[:NAMED])}{more}, which "
            "are rounded with other tokens' help or none; give more or other calibration text."
        )

    def document(self) -> dict[str, Any]:
        """The report as JSON; the same run gives the same bytes."""
        return {
            "measure": self.measure,
            "linears": [asdict(linear) for linear in self.linears],
            "layers": list(self.layers),
            "vision": [asdict(linear) for linear in self.vision],
            "rare_experts": dict(self.rare_experts),
        }


def quantization_report(model: MetaModel, recipe: Recipe, work: WorkFolder) -> QuantizationReport:
    """The report of a run whose parts are in `work`; of the method "awq" no errors are known."""
    inside: dict[str, float] = {}
    layers: list[float] = []
    for index, prefix in enumerate(model.prefixes):
        errors = from_part(work.file(errors_part(layer_part(index))))
        layers += [errors.pop(LAYER)] if LAYER in errors else []
        inside |= {prefix + name: error for name, error in errors.items()}
    inside |= from_part(work.file(errors_part(REST)))
    measure = WEIGHTS if recipe.method == "rtn" else OUTPUTS
    known = tuple(_known(linear_layers(model, recipe), inside, model))
    vision = tuple(_known(*_vision(model, recipe, work), model))
    return QuantizationReport(measure, known, tuple(layers), vision, _rare_experts(model, work))


def _rare_experts(model: MetaModel, work: WorkFolder) -> dict[str, int]:
    """The experts that fewer than `FEWEST_TOKENS` calibration tokens chose, under the names that they are stored by."""
    return {
        stored_name(prefix + name, model.checkpoint.config): int(tokens)
        for index, prefix in enumerate(model.prefixes)
        for name, tokens in from_part(work.file(tokens_part(layer_part(index)))).items()
        if tokens < FEWEST_TOKENS
    }


def _vision(model: MetaModel, recipe: Recipe, work: WorkFolder) -> tuple[list[LinearLayer], dict[str, float]]:
    """The vision tower's linear layers, and the errors of those that were rounded."""
    errors: dict[str, float] = {}
    for index, _ in enumerate(TowerTask(model, recipe).units()):
        errors |= from_part(work.file(errors_part(vision_part(index))))
    return tower_linear_layers(model, recipe), errors


def _known(linears: Iterable[LinearLayer], errors: dict[str, float], model: MetaModel) -> Iterable[LinearError]:
    """The linear layers with their errors, under the names that they are stored by."""
    for linear in linears:
        if linear.name in errors:
            name = stored_name(linear.name, model.checkpoint.config)
            yield LinearError(name, linear.bits, linear.weights, errors[linear.name])
