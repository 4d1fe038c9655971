"""Runs a planned program with threads, over a C runtime of a few lines in place of the real one."""

import ctypes
import threading
from pathlib import Path

import numpy as np
from tests.tytvm.kernels.harness import _PERMIT_TILES, _SCRATCH, _Any, aligned

from tytvm.compile import build_shared_object
from tytvm.host import MEMORIES
from tytvm.link import compile_c

RUNTIME = """
#include <pthread.h>
#include <stdint.h>
static pthread_barrier_t meeting;
static int barriers, sharing;
void TVMFFIErrorSetRaisedFromCStrParts(const char* kind, const char** parts, int count) {}
void prepare(int workers) { pthread_barrier_init(&meeting, 0, workers); barriers = 0; sharing = workers; }
/* Each worker's slice as one piece. */
int64_t tyllm_next(void* context, int32_t worker, int32_t iterations, int32_t least) {
  static _Thread_local int asked;
  int64_t first = (int64_t)iterations * worker / sharing, stop = (int64_t)iterations * (worker + 1) / sharing;
  if (!asked && first < stop) return asked = 1, first << 32 | stop;
  return asked = 0, -1;
}
int counted(void) { return barriers; }
int32_t tyllm_barrier(void* context, int32_t worker) {
  if (worker == 0) barriers++;
  pthread_barrier_wait(&meeting);
  return 0;
}
/* Two dies that hold the same. */
int32_t tyllm_all_reduce(void* context, int32_t worker, float* data, int64_t count) {
  pthread_barrier_wait(&meeting);
  if (worker == 0) for (int64_t i = 0; i < count; i++) data[i] *= 2;
  pthread_barrier_wait(&meeting);
  return 0;
}
"""


class Runner:
    """A built program with its memories; arena and io hold NaN until something is written."""

    def __init__(self, program, kernels, folder, weights):
        (folder / "runtime.c").write_text(RUNTIME + _SCRATCH.read_text())
        if kernels.spec.has_tiles:
            assert ctypes.CDLL(None).syscall(*_PERMIT_TILES) == 0
        objects = compile_c([folder / "runtime.c"], ["-fPIC"], folder, kernels.spec)
        build_shared_object(program, {"body": "body", "head": "head"}, kernels, objects, Path(folder / "program.so"))
        self.library = ctypes.CDLL(str(folder / "program.so"))
        self.program = program
        self.memories = {memory: self._memory(memory) for memory in MEMORIES}
        for memory, values in (("params", weights), ("constants", program.constants)):
            for name, value in values.items():
                self.view(memory, name)[...] = value

    def _memory(self, memory):
        return aligned(np.full(max(64, self.program.layouts[memory].total), 0xFF, np.uint8))

    def view(self, memory, name):
        """One buffer as an array that shares its memory."""
        layout = self.program.layouts[memory]
        spec, start = layout.specs[name], layout.offsets[name]
        size = int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize
        return self.memories[memory][start : start + size].view(spec.dtype).reshape(spec.shape)

    def run(self, part, workers=1):
        """Run "body" or "head" with so many threads; returns how many barriers were passed."""
        self.library.prepare(workers)
        threads = [threading.Thread(target=self._call, args=(part, worker, workers)) for worker in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.library.counted()

    def _call(self, part, worker, workers):
        values = [_Any(4, 0, self.memories[memory].ctypes.data) for memory in MEMORIES]
        values += [_Any(4, 0, 0), _Any(1, 0, worker), _Any(1, 0, workers)]
        function = self.library[f"__tvm_ffi_{part}"]
        assert function(None, (_Any * len(values))(*values), len(values), ctypes.byref(_Any())) == 0
