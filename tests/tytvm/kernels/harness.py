"""Builds one kernel into a shared object and runs it on NumPy arrays, as one worker or as several in turn."""

import ctypes
import platform
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import tvm
from tvm import tirx

from tyllm import native
from tyllm_base.machine import cpu_flags
from tytvm.spmd import lower_blocks, share_over_workers, take_pointers
from tytvm.target import INSTRUCTION_SETS

_ERROR_SINK = "void TVMFFIErrorSetRaisedFromCStrParts(const char* kind, const char** parts, int count) {}\n"
_SLICES = """
#include <stdint.h>
/* The worker's slice [n*w/W, n*(w+1)/W) as one piece, once for each call: context is {W, whether it was asked}. */
int64_t tyllm_next(int32_t* context, int32_t worker, int32_t iterations, int32_t least) {
  int64_t first = (int64_t)iterations * worker / context[0], stop = (int64_t)iterations * (worker + 1) / context[0];
  (void)least;
  return context[1]++ || first == stop ? -1 : first << 32 | stop;
}
"""
_SCRATCH = native.FOLDER / "scratch.c"
_PERMIT_TILES = 158, 0x1023, 18  # arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA)


_FLAGS = cpu_flags()
RUNNABLE = [
    spec.name for spec in INSTRUCTION_SETS if spec.machine == platform.machine() and _FLAGS.issuperset(spec.flags)
]
"""Names of the instruction sets that this machine has."""


class _Any(ctypes.Structure):
    """TVMFFIAny of the tvm-ffi C ABI."""

    _fields_ = (("type_index", ctypes.c_int32), ("padding", ctypes.c_uint32), ("value", ctypes.c_int64))


class Placed(np.ndarray):
    """An array that a kernel is given where it lies; of all others it gets copies."""


def aligned(array):
    """A copy of the array that starts at a multiple of 64 bytes."""
    array = np.asarray(array)
    raw = np.zeros(array.nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    copy = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def slots_of(caches):
    """The tensors of several slots' caches, copied side by side into memory as a die has them.

    Returns:
        The first slot's tensors, flat, behind which the other slots' follow, and the bytes from one slot to the next.
    """
    starts = np.cumsum([0, *(-(-tensor.nbytes // 64) * 64 for tensor in caches[0])])
    memory = aligned(np.zeros((len(caches), starts[-1]), np.uint8))
    for number, tensors in enumerate(caches):
        for start, tensor in zip(starts, tensors, strict=False):
            memory[number, start : start + tensor.nbytes] = np.ascontiguousarray(tensor).view(np.uint8).reshape(-1)
    whole = memory.reshape(-1)
    firsts = [whole[start:][: (len(whole) - start) // tensor.itemsize * tensor.itemsize].view(tensor.dtype)
              for start, tensor in zip(starts, caches[0], strict=False)]  # fmt: skip
    return [first.view(Placed) for first in firsts], int(starts[-1])


@cache
def error_sink():
    """An object file with the symbols that compiled kernels want from outside."""
    folder = tempfile.TemporaryDirectory()
    (Path(folder.name) / "sink.c").write_text(_ERROR_SINK + _SLICES + _SCRATCH.read_text())
    subprocess.run(["gcc", "-c", "-fPIC", "sink.c"], cwd=folder.name, check=True)
    return folder, Path(folder.name) / "sink.o"


class Kernel:
    """A compiled kernel; call it with its buffers in order."""

    def __init__(self, func, spec):
        self.folder = tempfile.TemporaryDirectory()
        folder = Path(self.folder.name)
        sliced = take_pointers(lower_blocks(share_over_workers(func)))
        module = tvm.IRModule({"kernel": sliced.with_attr("global_symbol", "kernel")})
        tirx.build(module, target=spec.tvm_target()).write_to_file(str(folder / "kernel.o"))
        command = ["gcc", "-shared", "-o", "kernel.so", "kernel.o", error_sink()[1], "-lm"]
        subprocess.run(command, cwd=folder, check=True)
        if spec.has_tiles:
            assert ctypes.CDLL(None).syscall(*_PERMIT_TILES) == 0
        self.function = ctypes.CDLL(str(folder / "kernel.so"))["__tvm_ffi_kernel"]

    def run(self, arrays, worker=0, workers=1):
        """One worker's share of the work, in place."""
        context = np.array([workers, 0], np.int32)
        values = [_Any(4, 0, a.ctypes.data) for a in [*arrays, context]] + [_Any(1, 0, worker)]
        result = _Any()
        status = self.function(None, (_Any * len(values))(*values), len(values), ctypes.byref(result))
        assert status == 0

    def __call__(self, *arrays, workers=1):
        """All workers in turn; the last to run is the first by number, so that order cannot matter."""
        arrays = [a if isinstance(a, Placed) else aligned(a) for a in arrays]
        for worker in reversed(range(workers)):
            self.run(arrays, worker, workers)
        return arrays


def outputs(kernel, inputs, *empty, workers=1):
    """The kernel's outputs, written over NaN or the type's largest value so that what it leaves out shows."""
    blank = [np.full(e.shape, np.nan if e.dtype.kind == "f" else np.iinfo(e.dtype).max, e.dtype) for e in empty]
    return kernel(*inputs, *blank, workers=workers)[len(inputs) :]
