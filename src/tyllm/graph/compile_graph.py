"""Compile a traced graph ahead of time, or find it in the cache; what cannot be compiled is left to torch."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from torch import fx

from tyllm import native
from tyllm.build.module_build import CompiledProgram, ModuleBuild
from tyllm.graph import compile_cache
from tyllm.graph.compile_cache import CompileSettings
from tyllm.graph.subgraphs import ShardedSubgraphs, Subgraph, TensorWeights, find_subgraphs, shard_subgraphs
from tyllm.graph.supported_subgraphs import extract_supported, has_known_types
from tyllm.graph.trace import TracedGraph
from tyllm.graph.unsupported_operators import find_unsupported
from tyllm.package.compiled_module import ModuleConfig
from tyllm_base.errors import BuildError, OutputError
from tyllm_base.output_place import OutputPlace
from tyllm_base.unfinished import scratch_folder
from tyllm_base.user_folders import temporary_place
from tytvm.kernel_choice import Kernels
from tytvm.link import compile_c
from tytvm.target import InstructionSet, resolve

CODE, PARAMS = "edgex_die{die}.so", "edgex_die{die}.params"


@dataclass(frozen=True)
class CompiledGraph:
    """A graph, partly or wholly compiled.

    Attributes:
        graph_module: the graph; its compiled subgraphs are submodules.
        subgraphs: these.
        folder: where the compiled module lies.
        config: what it is; None where torch runs everything.
        unsupported: node → the operator that torch runs there.
    """

    graph_module: fx.GraphModule
    subgraphs: list[Subgraph]
    folder: Path
    config: ModuleConfig | None
    unsupported: compile_cache.Unsupported


def compile_graph(traced: TracedGraph, settings: CompileSettings) -> CompiledGraph:
    """The compiled module of a graph.

    Raises:
        OutputError: the folder cannot be written.
        BuildError: there is no C compiler, or it refused.
        SettingError: an unknown target.
    """
    kernels = Kernels(resolve(settings.target), settings.activations == "int8")
    folder = compile_cache.module_folder(traced, settings, kernels.spec)
    found = _compiled_before(traced, folder)
    if found is None:
        with OutputPlace.take(folder, wait=True) as place:
            found = _compiled_before(traced, folder)  # another process may have compiled it while we waited
            if found is None:
                with compile_cache.module_under_way(place) as temporary:
                    return _compile_anew(traced, settings.dies, kernels, temporary, folder)
    return found


def _compiled_before(traced: TracedGraph, folder: Path) -> CompiledGraph | None:
    """The module in a folder; None where there is none, or it is damaged or not of this graph."""
    found = compile_cache.load_module(folder)
    if found is None:
        return None
    config, unsupported = found
    graph_module = extract_supported(traced.graph_module, unsupported)
    subgraphs = find_subgraphs(graph_module, traced.weights)
    programs = [(each.name, each.inputs, each.outputs) for each in (config.programs if config else ())]
    if programs != [(each.name, each.inputs, each.outputs) for each in subgraphs]:
        return None
    return CompiledGraph(graph_module, subgraphs, folder, config, unsupported)


def _compile_anew(traced: TracedGraph, dies: int, kernels: Kernels, temporary: Path, folder: Path) -> CompiledGraph:
    nodes = [node for node in traced.graph_module.graph.nodes if node.op == "call_function"]
    unsupported = {node.name: str(node.target) for node in nodes if not has_known_types(node)}
    with scratch_folder(temporary_place()) as scratch:
        while True:
            graph_module = extract_supported(traced.graph_module, unsupported)
            subgraphs = find_subgraphs(graph_module, traced.weights)
            if not subgraphs:
                config = None
                break
            sharded = shard_subgraphs(subgraphs, traced.weights, dies)
            module = _module_build(sharded, traced, kernels, temporary, scratch)
            compiled, failed = _compile(module, subgraphs)
            if not failed:
                for task in module.writes(compiled):
                    task(_unreported)
                config = module.config(compiled)
                break
            for subgraph, error in failed:
                unsupported |= find_unsupported(subgraph, kernels) or _all_of(subgraph, error)
    compile_cache.write_description(temporary, config, unsupported)
    return CompiledGraph(graph_module, subgraphs, folder, config, unsupported)


def _module_build(
    sharded: ShardedSubgraphs, traced: TracedGraph, kernels: Kernels, folder: Path, scratch: Path
) -> ModuleBuild:
    weights, runtime = TensorWeights(traced.weights), _runtime(kernels.spec)
    return ModuleBuild(folder, scratch, CODE, PARAMS, sharded.model, weights, sharded.sources, kernels, runtime)


@cache
def _runtime(spec: InstructionSet) -> list[Path]:
    """The runtime's objects, compiled once; they go when the process ends."""
    folder = tempfile.TemporaryDirectory(dir=temporary_place())
    _KEPT.append(folder)
    return compile_c(native.sources(), native.compile_flags(), Path(folder.name), spec)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def _compile(
    module: ModuleBuild, subgraphs: Sequence[Subgraph]
) -> tuple[dict[tuple[int, str], CompiledProgram], list[tuple[Subgraph, Exception]]]:
    """The compiled programs by die and name, and the subgraphs that did not compile, each with its error."""
    by_name = {subgraph.name: subgraph for subgraph in subgraphs}
    compiled: dict[tuple[int, str], CompiledProgram] = {}
    failed: dict[str, Exception] = {}
    for key, task in zip(module.keys(), module.compiles(), strict=True):
        try:
            if key[1] not in failed:
                compiled[key] = task(_unreported)
        except (BuildError, OutputError, OSError):  # no operator is to blame
            raise
        except Exception as error:
            failed[key[1]] = error
    return compiled, [(by_name[name], error) for name, error in failed.items()]


def _all_of(subgraph: Subgraph, error: Exception) -> compile_cache.Unsupported:
    """A subgraph that cannot be compiled as a whole, whichever of its operators is to blame."""
    reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    nodes = (node for node in subgraph.graph_module.graph.nodes if node.op == "call_function")
    return {node.name: f"{node.target} ({reason})" for node in nodes}


def _unreported(amount: float, what: str) -> None:
    """Nobody waits for the progress."""
