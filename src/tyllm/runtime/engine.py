"""The engine: a package's code and parameters in memory, threads that run its steps, and views of its buffers."""

from __future__ import annotations

import ctypes
import threading
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

from tyllm.errors import GenerationError, StepError, TyllmError
from tyllm.package import RUNTIME_ABI, Package, Params
from tyllm.package.layout import code_file, constants_file, params_file
from tyllm.runtime.binding import BODY, ERROR_BYTES, HEAD, ConfigStruct, DieStruct, ProgramStruct, address, load
from tyllm.runtime.threads import available_threads, physical_cores

SPIN_NS = 100_000  # longer than the workers of a step differ, shorter than a nap of the system
Array = npt.NDArray[Any]
Views = dict[str, Array]


class Engine:
    """Runs steps. It knows sequence lengths, slots and buffers, and nothing of tokens or text.

    Views live until `close`. Whoever writes inputs, steps and reads outputs holds `lock` meanwhile: a step at a time.
    """

    def __init__(self, package: Package, workers: int, slots: int, *, pin: bool = False) -> None:
        """Load the code, map the parameters, make memory and threads.

        Args:
            package: the package, already checked.
            workers: threads of each die.
            slots: KV caches.
            pin: bind each worker but the caller's to a core of its own, as far as there are cores.

        Raises:
            PackageError: code that cannot be loaded.
            TyllmError: the system refuses memory or threads.
        """
        self.package = package
        self.seq_lens = tuple(sorted(package.buffers.seq_lens))
        self._libraries: list[ctypes.CDLL] = []
        self._mapped: list[Params] = []  # the C library points into them
        dies = [self._die(die) for die in range(len(package.buffers.dies))]
        self._library = self._libraries[0]  # one drives, the others serve the code beside them
        if pin:
            self._pin(dies, workers)
        spin = SPIN_NS if workers * len(dies) <= available_threads() else 0
        struct = (DieStruct * len(dies))(*dies)
        config = ConfigStruct(RUNTIME_ABI, len(dies), workers, len(self.seq_lens), slots, 0, spin, struct)
        error = ctypes.create_string_buffer(ERROR_BYTES)
        self._session = self._library.tyllm_create(ctypes.byref(config), error, ERROR_BYTES)
        if not self._session:
            raise TyllmError(f"The system refuses {error.value.decode()}.")
        self._close = weakref.finalize(self, self._library.tyllm_destroy, self._session)
        self._io = {seq_len: [self._io_views(seq_len, die) for die in range(len(dies))] for seq_len in self.seq_lens}
        self._tell_first_tokens()
        self.workers, self.dies = workers, len(dies)
        self.lock = threading.RLock()

    def step(self, seq_len: int, slot: int, *, body: bool = True, head: bool = True) -> None:
        """Run a program on what lies in `io`; raises `StepError` where compiled code fails."""
        self._check_open()
        flags = (BODY if body else 0) | (HEAD if head else 0)
        if self._library.tyllm_step(self._session, self.seq_lens.index(seq_len), slot, flags):
            raise StepError(
                f"A step of {seq_len} tokens failed: {self._library.tyllm_last_error(self._session).decode()}."
            )

    def views(self, seq_len: int) -> list[Views]:
        """For each die the entries of its io region by name."""
        self._check_open()
        return self._io[seq_len]

    def kv(self, die: int, slot: int) -> list[Views]:
        """Views of each layer's keys, values and, of int8, scales; `KvLayer.tensors` has their shapes."""
        self._check_open()
        layout, capacity = self.package.buffers.dies[die], self.package.buffers.kv_capacity
        region = _region(self._library.tyllm_kv(self._session, die, slot), layout.kv_bytes)
        return [
            {name: _view(region, each.offset, each.shape, each.dtype) for name, each in layer.tensors(capacity).items()}
            for layer in layout.layers
        ]

    def close(self) -> None:
        """Stop the threads and free the memory, when the step under way has ended; no view may be used after it."""
        with self.lock:
            self._io = {}
            self._close()

    def _check_open(self) -> None:
        if not self._close.alive:
            raise GenerationError("The session is closed; open the package again.")

    def _tell_first_tokens(self) -> None:
        """Where each die's slice of the vocabulary begins: constant, for the embedding's lookup."""
        for views in self._io.values():
            for die, io in zip(self.package.buffers.dies, views, strict=True):
                if "first_token" in io:
                    io["first_token"][0] = die.vocabulary[0]

    def _die(self, die: int) -> DieStruct:
        params = self._map(params_file(die).as_posix())
        programs = (ProgramStruct * len(self.seq_lens))(*(self._program(die, seq_len) for seq_len in self.seq_lens))
        return DieStruct(params.address, self.package.buffers.dies[die].kv_bytes, programs, None)

    def _program(self, die: int, seq_len: int) -> ProgramStruct:
        library = load(self.package.folder / code_file(die, seq_len))
        self._libraries.append(library)
        constants = self._map(constants_file(die, seq_len).as_posix())
        layout, exports = self.package.buffers.dies[die].programs[seq_len], self.package.manifest.exports
        return ProgramStruct(
            address(library, f"__tvm_ffi_{exports['body']}"),
            address(library, f"__tvm_ffi_{exports['head']}"),
            address(library, "tyllm_program_error"),
            constants.address,
            layout.arena_bytes,
            layout.io_bytes,
        )

    def _map(self, name: str) -> Params:
        params = Params(self.package.folder / name)
        self._mapped.append(params)
        return params

    def _pin(self, dies: list[DieStruct], workers: int) -> None:
        cores = physical_cores()
        for index, die in enumerate(dies):
            mine = [cores[(index * workers + worker) % len(cores)] for worker in range(workers)]
            die.cpus = (ctypes.c_int32 * workers)(*mine)

    def _io_views(self, seq_len: int, die: int) -> Views:
        layout = self.package.buffers.dies[die].programs[seq_len]
        start = self._library.tyllm_io(self._session, die, self.seq_lens.index(seq_len))
        region = _region(start, layout.io_bytes)
        return {name: _view(region, entry.offset, entry.shape, entry.dtype) for name, entry in layout.io.items()}


def _region(start: int, nbytes: int) -> Array:
    """Bytes of the C library's memory."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(start))


def _view(region: Array, offset: int, shape: tuple[int, ...], dtype: str) -> Array:
    nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return region[offset : offset + nbytes].view(dtype).reshape(shape)
