"""Runs a compiled module: named arrays in, named arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tyllm.package import ProgramMemory
from tyllm.package.code_needs import module_layout
from tyllm.package.compiled_module import ModuleConfig, ModuleProgram
from tyllm.package.module_files import module_code, module_params
from tyllm.runtime.execute.executor import DieCode, Executor, ProgramCode
from tyllm.runtime.execute.threads import workers_per_die
from tyllm_base.errors import StepError

Array = npt.NDArray[Any]


class CompiledModule:
    """A compiled module in memory with its threads; one call at a time, from any thread."""

    def __init__(
        self, folder: Traversable, config: ModuleConfig, threads: int | None = None, *,
        order: Sequence[int] | None = None, pin: bool = False,
    ) -> None:  # fmt: skip
        """Load it.

        Args:
            folder: where its files lie: in an opened package, or a folder that nobody else writes to.
            config: what they are.
            threads: worker threads in all, at least one for each die; None for the cores that may be used.
            order: for each die the physical one that plays it.
            pin: bind the threads to the cores of their physical die.

        Raises:
            PackageError: code that cannot be loaded.
            TyllmError: the system refuses memory or threads.
        """
        self.config = config
        dies = [_die(folder, config, die) for die in range(len(config.dies))]
        self._executor = Executor(dies, workers_per_die(threads, len(dies)), order=order, pin=pin)
        self._numbers = {program.name: number for number, program in enumerate(config.programs)}

    def __call__(self, program: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run a program.

        Args:
            program: its name.
            inputs: an array of the input's shape for each of its inputs.

        Returns:
            Copies of its outputs, by name.

        Raises:
            StepError: compiled code failed, or an input is missing or of another shape.
        """
        described = self.config.program_named(program)
        with self._executor.lock:
            views = self._executor.io_views(self._numbers[program])
            for io in views:
                _write_inputs(described, io, inputs)
            self._executor.run_program(self._numbers[program])
            return {name: views[0][name].copy() for name in described.outputs}

    def close(self) -> None:
        """Stop the threads and free the memory."""
        self._executor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _write_inputs(program: ModuleProgram, io: Mapping[str, Array], inputs: Mapping[str, Array]) -> None:
    for name in program.inputs:
        shape = np.shape(inputs[name]) if name in inputs else None
        if shape != io[name].shape:
            raise StepError(f"{program.name} takes {name} of shape {list(io[name].shape)}, not {shape}.")
        io[name][...] = inputs[name]


def _die(folder: Traversable, config: ModuleConfig, die: int) -> DieCode:
    params, library = module_params(folder, config, die), module_code(folder, config, die)
    programs = []
    for program in config.programs:
        own = config.dies[die][program.name]
        memories = ProgramMemory(own.arena_bytes, own.io_bytes, own.io)
        layout = module_layout(len(config.dies), program, own)
        programs.append(ProgramCode(library, program.export, None, params, own.constants_offset, memories, layout))
    return DieCode(params, tuple(programs))
