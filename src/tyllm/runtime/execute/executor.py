"""The executor: compiled programs and their parameters in memory, threads that run them, and views of their buffers.

It knows dies, programs and slots by number, and nothing of models.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np
import numpy.typing as npt

from tyllm.package import RUNTIME_ABI, IoEntry, ProgramMemory
from tyllm.package.params import params_data
from tyllm.runtime.execute.binding import (
    BODY,
    ERROR_BYTES,
    HEAD,
    ConfigStruct,
    DieStruct,
    ProgramStruct,
    address,
    load,
    needs_of,
)
from tyllm.runtime.execute.loaded_code import LoadedCode
from tyllm_base.errors import GenerationError, PackageError, SettingError, StepError, TyllmError
from tyllm_base.fork_locks import new_rlock
from tyllm_base.machine import available_threads, physical_cores
from tyllm_base.option_checks import shown

MOST_THREADS, MOST_SLOTS = 1 << 16, 1 << 20
"""As native/needs.c has them."""
SPIN_NS = 100_000  # longer than the workers of a step differ, shorter than a nap of the system
Array = npt.NDArray[Any]
Views = dict[str, Array]


@dataclass(frozen=True)
class ProgramCode:
    """One die's program: its shared library, the symbols of its parts, its constants, its memories."""

    library: Traversable
    body: str
    head: str | None
    constants: Traversable
    constants_offset: int
    memories: ProgramMemory
    layout: str
    """The hash of its memories that its library must have too; see `code_needs`."""


@dataclass(frozen=True)
class DieCode:
    """The code of a die: its weights, its programs, and the bytes of a slot's KV cache and from one to the next."""

    params: Traversable
    programs: tuple[ProgramCode, ...]
    kv_bytes: int = 0
    slot_bytes: int = 0


class Executor:
    """Runs programs. Views live until `close`; whoever writes inputs, runs and reads outputs holds `lock` meanwhile."""

    def __init__(
        self, dies: Sequence[DieCode], workers: int, slots: int = 1, *,
        order: Sequence[int] | None = None, pin: bool = False,
    ) -> None:  # fmt: skip
        """Load the code, map the parameters, make memory and threads.

        Args:
            dies: what each die runs.
            workers: threads of each die.
            slots: KV caches.
            order: for each die the physical one that plays it; None for 0, 1, 2, …
            pin: bind each worker but the caller's to a core of its own, as far as there are cores: those of its
                physical die.

        Raises:
            PackageError: code that cannot be loaded, or that needs more memory than the package gives it.
            SettingError: more threads or slots than the C library counts.
            TyllmError: the system refuses memory or threads.
        """
        _check_counts(workers * len(dies), slots)
        self.workers, self.dies, self.lock = workers, len(dies), new_rlock()
        self._code = tuple(dies)
        self._loaded = LoadedCode(self.lock)
        weakref.finalize(self, self._loaded.unload).atexit = False  # a thread may be in the code then
        structs = [self._die(die) for die in dies]
        if pin:
            _pin(structs, workers, order or range(len(dies)))
        self._library = next(iter(self._loaded.libraries.values()))  # one drives, the others serve the code beside them
        self._session = self._create(structs, slots)
        self._loaded.destroy = partial(self._library.tyllm_destroy, self._session)
        count = len(dies[0].programs)
        self._io = [[self._io_views(program, die) for die in range(len(dies))] for program in range(count)]

    def run_program(self, program: int, slot: int = 0, *, body: bool = True, head: bool = False) -> None:
        """Run a program on what lies in `io`; raises `StepError` where compiled code fails."""
        flags = (BODY if body else 0) | (HEAD if head else 0)
        with self.lock:
            self.check_open()
            if self._library.tyllm_step(self._session, program, slot, flags):
                raise StepError(f"A step failed: {self._library.tyllm_last_error(self._session).decode()}.")

    def io_views(self, program: int) -> list[Views]:
        """For each die the entries of a program's io region by name."""
        self.check_open()
        return self._io[program]

    def kv_bytes(self, die: int, slot: int) -> Array:
        """The memory of a slot's KV cache on a die, uint8 [bytes]."""
        with self.lock:
            self.check_open()
            return _region(self._library.tyllm_kv(self._session, die, slot), self._code[die].kv_bytes)

    def release_slot(self, slot: int) -> None:
        """Give the memory of a slot's KV cache back; its content is gone."""
        with self.lock:
            self.check_open()
            self._library.tyllm_release(self._session, slot)

    def close(self) -> None:
        """Stop the threads, unload the code, free the memory, when what is under way has ended.

        No view may be used after it: the memory that it looks into is gone.
        """
        self._loaded.unload()
        self._io = []

    def check_open(self) -> None:
        """Raise `GenerationError` where it is closed, or the process is a child of the one that opened it."""
        if self._loaded.refusal:
            raise GenerationError(self._loaded.refusal)

    def _create(self, structs: Sequence[DieStruct], slots: int) -> int:
        """The C library's session."""
        spin = SPIN_NS if self.workers * len(structs) <= available_threads() else 0
        array, programs = (DieStruct * len(structs))(*structs), len(self._code[0].programs)
        config = ConfigStruct(RUNTIME_ABI, len(structs), self.workers, programs, slots, 0, spin, array)
        error = ctypes.create_string_buffer(ERROR_BYTES)
        if self._library.tyllm_check(ctypes.byref(config), error, ERROR_BYTES):
            raise PackageError(f"The package gives {error.value.decode()}; compile the model again.")
        session: int | None = self._library.tyllm_create(ctypes.byref(config), error, ERROR_BYTES)
        if not session:
            raise TyllmError(f"The system refuses {error.value.decode()}.")
        return session

    def _die(self, die: DieCode) -> DieStruct:
        programs = (ProgramStruct * len(die.programs))(*map(self._program, die.programs))
        params = self._map(die.params)
        return DieStruct(params.ctypes.data, params.size, die.kv_bytes, die.slot_bytes, programs, None)

    def _program(self, code: ProgramCode) -> ProgramStruct:
        library, constants = self._load(code.library), self._map(code.constants)
        needs = needs_of(library, code.body, code.head, code.layout)
        return ProgramStruct(
            address(library, f"__tvm_ffi_{code.body}"),
            address(library, f"__tvm_ffi_{code.head}") if code.head else None,
            address(library, "tyllm_program_error"),
            constants.ctypes.data + code.constants_offset,
            max(0, constants.size - code.constants_offset),
            code.memories.arena_bytes,
            code.memories.io_bytes,
            needs,
        )

    def _load(self, path: Traversable) -> ctypes.CDLL:
        libraries = self._loaded.libraries
        if path not in libraries:
            libraries[path] = load(path)
        return libraries[path]

    def _map(self, path: Traversable) -> npt.NDArray[np.uint8]:
        mapped = self._loaded.mapped
        if path not in mapped:
            mapped[path] = params_data(path)
        return mapped[path]

    def _io_views(self, program: int, die: int) -> Views:
        memories = self._code[die].programs[program].memories
        region = _region(self._library.tyllm_io(self._session, die, program), memories.io_bytes)
        return {name: view(region, entry) for name, entry in memories.io.items()}


def _check_counts(threads: int, slots: int) -> None:
    for count, most, what in ((threads, MOST_THREADS, "threads"), (slots, MOST_SLOTS, "slots")):
        if count > most:
            raise SettingError(f"{shown(count)} {what} are more than the {most} that there can be; give fewer.")


def view(region: Array, entry: IoEntry) -> Array:
    """A named part of a region uint8 [bytes], with the entry's shape and dtype."""
    return region[entry.offset : entry.offset + entry.nbytes].view(entry.dtype).reshape(entry.shape)


def _region(start: int, nbytes: int) -> Array:
    """The C library's memory from an address on, uint8 [nbytes]."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(start))


def _pin(dies: Sequence[DieStruct], workers: int, order: Sequence[int]) -> None:
    """Give each worker a core: those of physical die n follow those of n − 1."""
    cores = physical_cores()
    for physical, die in zip(order, dies, strict=True):
        mine = [cores[(physical * workers + worker) % len(cores)] for worker in range(workers)]
        die.cpus = (ctypes.c_int32 * workers)(*mine)
