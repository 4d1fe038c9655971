"""The plan of each die: its weights' formats and layout, its caches, and which dies can share one compiled program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from tyllm.build.pack_weights import StoredWeight
from tyllm.build.tensor_parallel import ModelSharding
from tyllm.build.weight_formats import Quantization, formats
from tytvm.memory_layout import MemoryLayout, bytes_of, lay_out
from tytvm.weights import TensorSpec, WeightFormat


@dataclass(frozen=True)
class DiePlan:
    """One die's weights by parameter name, and how they lie in its file."""

    die: int
    formats: Mapping[str, WeightFormat]
    layout: MemoryLayout

    def tensor_specs(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """The tensors of its file: name → dtype and shape, in order."""
        return {name: (spec.dtype, spec.shape) for name, spec in self.layout.specs.items()}

    def shares_program_with(self, other: DiePlan) -> bool:
        """Whether the compiled programs of two dies are the same bytes."""
        return dict(self.formats) == dict(other.formats)


@dataclass(frozen=True)
class ModelPlan:
    """The whole model over its dies."""

    sharding: ModelSharding
    shapes: dict[str, tuple[int, ...]]
    """Whole shape of every parameter, in the model's order."""
    stored_names: dict[str, str]
    """Parameter → name of the tensor that stores it: its own, or that of the parameter it is tied to."""
    dies: tuple[DiePlan, ...]

    def owners(self) -> dict[int, int]:
        """Die → the die that compiles its programs: dies of equal shapes share one compile."""
        return {die.die: next(o.die for o in self.dies if o.shares_program_with(die)) for die in self.dies}

    def stored(self) -> list[StoredWeight]:
        """Every stored weight once, in file order."""
        names = dict.fromkeys(self.stored_names[name] for name in self.shapes if name in self.dies[0].formats)
        return [
            StoredWeight(name, self.sharding.of(name), [plan.formats[name] for plan in self.dies]) for name in names
        ]

    def mebibytes(self) -> dict[str, int]:
        """Size of every stored weight over all dies, rounded up."""
        return {
            stored.name: -(
                -sum(bytes_of(spec) for own in stored.formats for spec in own.tensors().values()) // (1 << 20)
            )
            for stored in self.stored()
        }


def plan_model(
    model: torch.nn.Module, sharding: ModelSharding, quantization: Quantization, skipped: frozenset[str]
) -> ModelPlan:
    """The plan of a model on the meta device; `skipped` parameters (an embedding that is an input) are not stored."""
    named = list(model.named_parameters(remove_duplicate=False))
    first: dict[int, str] = {}
    stored_names = {name: first.setdefault(id(parameter), name) for name, parameter in named}
    dies = []
    for die in range(sharding.dies):
        found = {name: own for name, own in formats(model, sharding, die, quantization).items() if name not in skipped}
        specs: dict[str, TensorSpec] = {}
        for name, own in found.items():
            if stored_names[name] == name:
                specs |= {f"{name}{suffix}": spec for suffix, spec in own.tensors().items()}
        dies.append(DiePlan(die, found, lay_out(specs)))
    return ModelPlan(sharding, {name: tuple(p.shape) for name, p in named}, stored_names, tuple(dies))
