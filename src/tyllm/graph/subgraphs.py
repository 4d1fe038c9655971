"""Subgraphs: what of a graph is compiled, as the compiler takes it, and over dies with all their weights."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import fx

from hf_checkpoint.quantized_rows import QuantizedRows
from tyllm.build.die_plan import DiePlan, ModelPlan
from tyllm.build.module_build import ModuleSource
from tyllm.build.tensor_parallel import ModelSharding, WeightSharding
from tyllm.build.weight_formats import local_shape
from tyllm.graph.linear_layers import use_of
from tyllm.graph.partitioning import Partitioning, partition
from tyllm.graph.supported_subgraphs import subgraph_modules
from tytvm.capture import Capture
from tytvm.memory_layout import MemoryLayout, lay_out
from tytvm.weights import W16, Plain, WeightFormat


@dataclass(frozen=True)
class Subgraph:
    """A part of a graph that is compiled as one program.

    Attributes:
        name: of the submodule, and of the program.
        graph_module: returns a tuple; its placeholders have the names of what the whole graph hands over.
        parameters: placeholders that are weights, stored in the dies' files.
        constants: placeholders that are values of another kind.
        inputs: placeholders that the caller gives.
        outputs: names of the values that it returns.
        shapes: of these values.
    """

    name: str
    graph_module: fx.GraphModule
    parameters: tuple[str, ...]
    constants: Mapping[str, torch.Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    def module_source(self, partitioning: Partitioning) -> ModuleSource:
        """The program to compile, from the subgraph over dies."""

        def capture(die: int) -> Capture:
            own = partitioning.of_die(die)
            return Capture(own, {name: name for name in self.parameters}, dict(self.constants), list(self.inputs))

        return ModuleSource(self.name, capture, self.outputs)


def find_subgraphs(graph_module: fx.GraphModule, weights: Mapping[str, torch.Tensor]) -> list[Subgraph]:
    """The subgraphs that are submodules of a graph; `weights`: known values of any shape, by placeholder."""
    return [_subgraph(name, module, weights) for name, module in subgraph_modules(graph_module).items()]


@dataclass(frozen=True)
class ShardedSubgraphs:
    """Subgraphs over dies.

    Attributes:
        model: what each die stores.
        sources: a program for each subgraph.
        regions: how many parallel regions there are; 0 where every die computes everything.
    """

    model: ModelPlan
    sources: list[ModuleSource]
    regions: int


def shard_subgraphs(subgraphs: Sequence[Subgraph], weights: Mapping[str, torch.Tensor], dies: int) -> ShardedSubgraphs:
    """Divide subgraphs over dies, and lay out their weights (`weights`: placeholder → value of any shape)."""
    consumers = Counter(name for subgraph in subgraphs for name in subgraph.parameters)
    shards: dict[str, WeightSharding] = {}
    sources, count = [], 0
    for subgraph in subgraphs:
        own = {
            name for name in subgraph.parameters if consumers[name] == 1
        }  # two subgraphs could divide it differently
        partitioning = partition(subgraph.graph_module, own, dies)
        shards |= partitioning.shards()
        count += len(partitioning.regions)
        sources.append(subgraph.module_source(partitioning))
    shapes = {name: tuple(weights[name].shape) for name in consumers}
    uses = {name: _use(subgraph, name) for subgraph in subgraphs for name in subgraph.parameters}
    sharding = ModelSharding(dies, shards, ())
    plans = [_die_plan(die, sharding, shapes, uses) for die in range(dies)]
    return ShardedSubgraphs(ModelPlan(sharding, shapes, {name: name for name in shapes}, tuple(plans)), sources, count)


@dataclass(frozen=True)
class TensorWeights:
    """Reads weights from tensors in memory, by name."""

    tensors: Mapping[str, torch.Tensor]

    def floats(self, name: str, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows `start` to `stop` of a weight, float32 [stop − start, …]."""
        return np.asarray(self.tensors[name][start:stop].numpy(), np.float32)

    def codes(self, name: str, start: int, stop: int) -> QuantizedRows:
        """Nobody asks for these: no tensor here is INT4."""
        raise NotImplementedError(f"{name} is a float tensor.")


def _subgraph(name: str, module: fx.GraphModule, weights: Mapping[str, torch.Tensor]) -> Subgraph:
    output = next(iter(module.graph.find_nodes(op="output")))
    results = output.args[0]
    output.args = (tuple(results) if isinstance(results, list | tuple) else (results,),)
    names = [node.name for node in module.graph.find_nodes(op="placeholder")]
    parameters = [n for n in names if n in weights and weights[n].dtype == torch.float32 and weights[n].ndim]
    constants = {n: weights[n] for n in names if n in weights and n not in parameters}
    inputs = [n for n in names if n not in weights]
    outputs = [f"result{number}" for number in range(len(output.args[0]))]
    shapes = tuple(tuple(node.meta["val"].shape) for node in output.args[0])
    return Subgraph(name, module, tuple(parameters), constants, tuple(inputs), tuple(outputs), shapes)


def _use(subgraph: Subgraph, weight: str) -> str:
    node = next(n for n in subgraph.graph_module.graph.find_nodes(op="placeholder") if n.name == weight)
    return next((use_of(node, user) for user in node.users), "plain")


def _die_plan(
    die: int, sharding: ModelSharding, shapes: Mapping[str, tuple[int, ...]], uses: Mapping[str, str]
) -> DiePlan:
    formats = {
        name: format_of(local_shape(shape, sharding.of(name), die), uses[name]) for name, shape in shapes.items()
    }
    return DiePlan(die, formats, layout_of(formats))


def layout_of(formats: Mapping[str, WeightFormat]) -> MemoryLayout:
    """Where weights of these formats lie."""
    stored = ((f"{name}{suffix}", spec) for name, own in formats.items() for suffix, spec in own.tensors().items())
    return lay_out(dict(stored))


def format_of(shape: tuple[int, ...], use: str) -> WeightFormat:
    """How a weight is stored: float16 for linear layers and tables, float32 for all else."""
    if use == "linear":
        return W16(shape[0], math.prod(shape[1:]))
    return Plain(shape, "float16" if use == "table" else "float32")
