"""Build: a traced graph is compiled ahead of time, or found in the cache; what cannot be compiled is left to torch."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from torch import fx

from tyllm import native
from tyllm.build.module_build import CompiledProgram, ModuleBuild
from tyllm.graph import compile_cache, unsupported_operators
from tyllm.graph.compile_cache import CompileSettings
from tyllm.graph.subgraphs import Part, Plan, TensorWeights, find_parts, plan_parts
from tyllm.graph.supported_subgraphs import has_known_types, partition
from tyllm.graph.trace import Traced
from tyllm.package.compiled_module import ModuleConfig
from tyllm_errors import BuildError, OutputError
from tytvm.kernel_choice import Kernels
from tytvm.link import compile_c
from tytvm.target import InstructionSet, resolve

CODE, PARAMS = "edgex_die{die}.so", "edgex_die{die}.params"


@dataclass(frozen=True)
class Built:
    """A graph, partly or wholly compiled.

    Attributes:
        partitioned: the graph with its parts as submodules.
        parts: those that are compiled.
        folder: where the compiled module lies.
        config: what it is; None where torch runs everything.
        refused: node → the operator that torch runs there.
    """

    partitioned: fx.GraphModule
    parts: list[Part]
    folder: Path
    config: ModuleConfig | None
    refused: compile_cache.Refused


def compile_graph(traced: Traced, settings: CompileSettings) -> Built:
    """The compiled module of a graph.

    Raises:
        OutputError: the folder cannot be written.
        BuildError: there is no C compiler, or it refused.
        SettingError: an unknown target.
    """
    kernels = Kernels(resolve(settings.target), settings.activations == "int8")
    folder = compile_cache.folder_of(traced, settings, kernels.spec)
    found = compile_cache.load(folder)
    if found is not None:
        config, refused = found
        partitioned = partition(traced.graph_module, refused)
        return Built(partitioned, find_parts(partitioned, traced.weights), folder, config, refused)
    with compile_cache.writing(folder) as temporary:
        return _compile_anew(traced, settings.dies, kernels, temporary, folder)


def _compile_anew(traced: Traced, dies: int, kernels: Kernels, temporary: Path, folder: Path) -> Built:
    nodes = [node for node in traced.graph_module.graph.nodes if node.op == "call_function"]
    refused = {node.name: str(node.target) for node in nodes if not has_known_types(node)}
    with tempfile.TemporaryDirectory() as scratch:
        while True:
            partitioned = partition(traced.graph_module, refused)
            parts = find_parts(partitioned, traced.weights)
            if not parts:
                config = None
                break
            module = _module(parts, plan_parts(parts, traced.weights, dies), traced, kernels, temporary, Path(scratch))
            compiled, failed = _compile(module, parts)
            if not failed:
                for task in module.writes(compiled):
                    task(_unreported)
                config = module.config(compiled)
                break
            for part, error in failed:
                refused |= unsupported_operators.refused(part, kernels) or _all_of(part, error)
    compile_cache.describe(temporary, config, refused)
    return Built(partitioned, parts, folder, config, refused)


def _module(
    parts: Sequence[Part], plan: Plan, traced: Traced, kernels: Kernels, folder: Path, scratch: Path
) -> ModuleBuild:
    weights = TensorWeights(traced.weights)
    runtime = _runtime(kernels.spec)
    return ModuleBuild(folder, scratch, CODE, PARAMS, plan.model, weights, plan.sources, kernels, runtime)


@cache
def _runtime(spec: InstructionSet) -> list[Path]:
    """The runtime's objects, compiled once; they go when the process ends."""
    folder = tempfile.TemporaryDirectory()
    _KEPT.append(folder)
    return compile_c(native.sources(), native.compile_flags(), Path(folder.name), spec)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def _compile(
    module: ModuleBuild, parts: Sequence[Part]
) -> tuple[dict[tuple[int, str], CompiledProgram], list[tuple[Part, Exception]]]:
    """What compiled, and the parts that did not, with the reason."""
    by_name = {part.name: part for part in parts}
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


def _all_of(part: Part, error: Exception) -> compile_cache.Refused:
    """A part that cannot be compiled as a whole, whichever of its operators is to blame."""
    reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    return {
        node.name: f"{node.target} ({reason})" for node in part.graph_module.graph.nodes if node.op == "call_function"
    }


def _unreported(amount: float, what: str) -> None:
    """Nobody waits for the progress."""
