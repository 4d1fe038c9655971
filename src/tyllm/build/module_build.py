"""Builds a compiled module: programs over the same weights, linked into one shared object a die.

In two rounds of tasks, so that a caller can run them beside others: first each program is compiled to objects, then the
objects are linked, and the weights written with the programs' constants behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from tyllm.build.die_plan import ModelPlan
from tyllm.build.metadata import ProgramSummary, summarize
from tyllm.build.needs_table import compile_needs
from tyllm.build.pack_weights import pack_weights
from tyllm.build.process_pool import Task
from tyllm.build.tensor_parallel import IN, OUT
from tyllm.build.weight_reader import Weights
from tyllm.package import FileEntry, Params, ParamsWriter, write_params
from tyllm.package.code_needs import CodeNeeds, module_layout
from tyllm.package.compiled_module import ModuleConfig, ModuleMemory, ModuleProgram
from tyllm_base.progress import Advance
from tytvm.capture import Capture
from tytvm.compile import ProgramJob, build_objects, compile_program
from tytvm.graph import Graph
from tytvm.kernel_choice import Kernels
from tytvm.link import link
from tytvm.memory_layout import lay_out


@dataclass(frozen=True)
class ModuleSource:
    """One program to compile.

    Attributes:
        name: as the module's JSON files have it; letters, digits, _ and x, for symbols are made of it.
        capture: die → the graph, captured with the die's weights.
        outputs: names of what the graph returns.
        work: its size, in the unit of the progress that is reported.
    """

    name: str
    capture: Callable[[int], Capture]
    outputs: tuple[str, ...]
    work: int = 1


@dataclass(frozen=True)
class CompiledProgram:
    """A compiled program: what is known of it, its inputs, and its object files and constants in the scratch folder."""

    described: ProgramSummary
    inputs: tuple[str, ...]
    objects: tuple[Path, ...]
    constants: Path


@dataclass(frozen=True)
class ModuleBuild:
    """A module under way.

    Attributes:
        folder: where its files go.
        scratch: for what is needed until it is done.
        code: file of a die's programs, with "{die}" for its number; `params` of its weights, likewise.
        plan: what each die holds.
        weights: where the weights are read.
        programs: in order.
        kernels: for the target.
        runtime: the runtime's objects, linked into each shared object.
    """

    folder: Path
    scratch: Path
    code: str
    params: str
    plan: ModelPlan
    weights: Weights
    programs: Sequence[ModuleSource]
    kernels: Kernels
    runtime: Sequence[Path]

    def keys(self) -> list[tuple[int, str]]:
        """Die and program of each task of the first round: dies of different shapes, and programs by name."""
        return list(product(dict.fromkeys(self.plan.owners().values()), (source.name for source in self.programs)))

    def compiles(self) -> list[Task]:
        """The first round, in the order of `keys`."""
        sources = {source.name: source for source in self.programs}
        return [partial(self._compile, die, sources[name]) for die, name in self.keys()]

    def writes(self, compiled: Mapping[tuple[int, str], CompiledProgram]) -> list[Task]:
        """The second round: each shared object, and all weights. Its results are entries of files for a manifest."""
        links = [partial(self._link, die, compiled) for die in range(len(self.plan.dies))]
        return [partial(self._write_weights, compiled), *links]

    def config(self, compiled: Mapping[tuple[int, str], CompiledProgram]) -> ModuleConfig:
        """The content of the module's JSON files."""
        owners = self.plan.owners()
        first = {source.name: compiled[0, source.name] for source in self.programs}
        programs = tuple(ModuleProgram(s.name, _symbol(s.name), first[s.name].inputs, s.outputs) for s in self.programs)
        dies = tuple(self._memories(die, owners[die], compiled) for die in range(len(self.plan.dies)))
        return ModuleConfig(self.code, self.params, programs, dies)

    def steps(self, compiled: Mapping[tuple[int, str], CompiledProgram]) -> list[dict[str, Any]]:
        """For each die the steps of each program, as program.json has them."""
        owners = self.plan.owners()
        return [
            {"die": die, "programs": {s.name: compiled[owners[die], s.name].described.steps for s in self.programs}}
            for die in range(len(self.plan.dies))
        ]

    def _compile(self, die: int, source: ModuleSource, report: Advance) -> CompiledProgram:
        captured = source.capture(die)
        report(source.work, f"capture {source.name}, die {die}")
        own, sharding = self.plan.dies[die], self.plan.sharding
        graph = Graph(captured, own.formats, self.plan.stored_names, outputs=source.outputs, head_input=None)
        sharded = sharding.sharded_along(IN), sharding.sharded_along(OUT)
        program = compile_program(ProgramJob(graph, self.kernels, own.layout, lay_out({}), *sharded))
        report(source.work, f"lower {source.name}, die {die}")
        stem = self.scratch / f"{self.code.format(die=die)}.{source.name}.o"
        exports = {"body": _symbol(source.name)}
        objects = build_objects(program, exports, self.kernels, stem, f"{source.name}_")
        constants = stem.with_suffix(".constants")
        write_params(constants, dict(program.constants))
        report(source.work, f"generate code for {source.name}, die {die}")
        return CompiledProgram(summarize(program), tuple(captured.inputs), tuple(objects), constants)

    def _link(
        self, die: int, compiled: Mapping[tuple[int, str], CompiledProgram], report: Advance
    ) -> dict[Path, FileEntry]:
        owner = self.plan.owners()[die]
        output = self.folder / self.code.format(die=die)
        objects = [path for source in self.programs for path in compiled[owner, source.name].objects]
        needs = compile_needs(self._needs(die, compiled), self.scratch / output.name, self.kernels.spec)
        link([*objects, needs, *self.runtime], output, self.kernels.spec)
        report(0, f"link {output.name}")
        return {}

    def _needs(self, die: int, compiled: Mapping[tuple[int, str], CompiledProgram]) -> list[CodeNeeds]:
        """What the library of a die says of its programs."""
        module, owner, params = self.config(compiled), self.plan.owners()[die], self.plan.dies[die].layout.total
        params += sum(compiled[owner, source.name].described.constants_bytes for source in self.programs)
        found = []
        for program in module.programs:
            own = module.dies[die][program.name]
            sizes = params, compiled[owner, program.name].described.constants_bytes, 0, 0, own.arena_bytes, own.io_bytes
            found.append(CodeNeeds(program.export, "", module_layout(len(module.dies), program, own), *sizes))
        return found

    def _write_weights(
        self, compiled: Mapping[tuple[int, str], CompiledProgram], report: Advance
    ) -> dict[Path, FileEntry]:
        """Each die's weights, then the constants of each of its programs."""
        sizes, owners = self.plan.mebibytes(), self.plan.owners()
        constants = [self._constants(owners[die], compiled) for die in range(len(self.plan.dies))]
        paths = [self.folder / self.params.format(die=die) for die in range(len(self.plan.dies))]
        writers = []
        for die, path in zip(self.plan.dies, paths, strict=True):
            specs = {name: (spec.dtype, spec.shape) for name, spec in die.layout.specs.items()}
            values = {name: (value.dtype.name, value.shape) for name, value in constants[die.die].items()}
            writers.append(ParamsWriter(path, specs | values))
        pack_weights(self.plan.stored(), self.weights, writers, lambda name: report(sizes[name], f"pack {name}"))
        for writer, own in zip(writers, constants, strict=True):
            for name, value in own.items():
                writer.append_rows(name, value)
        return {path: writer.close() for path, writer in zip(paths, writers, strict=True)}

    def _constants(self, owner: int, compiled: Mapping[tuple[int, str], CompiledProgram]) -> dict[str, np.ndarray]:
        """The constants of all programs, by program and name; they lie one behind the other as each was planned."""
        return {
            f"{source.name}.{name}": value
            for source in self.programs
            for name, value in Params(compiled[owner, source.name].constants).tensors.items()
        }

    def _memories(
        self, die: int, owner: int, compiled: Mapping[tuple[int, str], CompiledProgram]
    ) -> dict[str, ModuleMemory]:
        offset, found = self.plan.dies[die].layout.total, {}
        for source in self.programs:
            described = compiled[owner, source.name].described
            own = described.memories
            found[source.name] = ModuleMemory(own.arena_bytes, own.io_bytes, offset, own.io)
            offset += described.constants_bytes
        return found


def _symbol(program: str) -> str:
    return f"module_{program}"
