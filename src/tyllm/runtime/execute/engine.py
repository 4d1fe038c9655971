"""The engine: the executor of a package's language model, by shape of step and layer."""

from __future__ import annotations

from collections.abc import Sequence

from tyllm.package import Package
from tyllm.package.code_needs import decoder_layout
from tyllm.package.file_names import code_file, constants_file, params_file
from tyllm.package.step_shape import StepShape, step_shapes
from tyllm.runtime.execute.executor import DieCode, Executor, ProgramCode, Views, view
from tyllm_base.errors import StepError


class Engine:
    """Runs steps. It knows their shapes, slots and buffers, and nothing of tokens or text.

    Views live until `close`. Whoever writes inputs, steps and reads outputs holds `lock` meanwhile: a step at a time.
    """

    def __init__(
        self, package: Package, workers: int, slots: int, *, pin: bool = False, order: Sequence[int] | None = None
    ) -> None:
        """Load the code, map the parameters, make memory and threads; see `Executor` for arguments and errors."""
        self.package = package
        self.seq_lens = tuple(sorted(package.buffers.seq_lens))
        self.batch_sizes = tuple(sorted(package.buffers.batch_sizes))
        self._numbers = {shape: number for number, shape in enumerate(step_shapes(self.seq_lens, self.batch_sizes))}
        dies = [self._die(die) for die in range(len(package.buffers.dies))]
        self._executor = Executor(dies, workers, slots, order=order, pin=pin)
        self.workers, self.dies, self.lock = workers, len(dies), self._executor.lock
        self._write_first_tokens()

    def step(self, shape: StepShape, slot: int = 0, *, body: bool = True, head: bool = True) -> None:
        """Run a program on what lies in `io`, which names the slots of a batch; raises `StepError` where code fails."""
        try:
            self._executor.run_program(self._numbers[shape], slot, body=body, head=head)
        except StepError as error:
            raise StepError(f"{str(error).replace('A step', f'A step of {shape}', 1)}") from None

    def check_open(self) -> None:
        """Raise `GenerationError` where it is closed, or the process is a child of the one that opened it."""
        self._executor.check_open()

    def io_views(self, shape: StepShape) -> list[Views]:
        """For each die the entries of its io region by name."""
        return self._executor.io_views(self._numbers[shape])

    def logit_rows(self, shape: StepShape) -> int:
        """For how many tokens one run of a program's head gives logits."""
        return self.package.buffers.dies[0].memory(shape).logit_rows

    def release_slot(self, slot: int) -> None:
        """Give the memory of a slot's KV cache back; its content is gone."""
        self._executor.release_slot(slot)

    def kv_views(self, die: int, slot: int) -> list[Views]:
        """Views of each layer's keys, values and, of int8, scales; `KvLayer.tensors` has their shapes."""
        layout, capacity = self.package.buffers.dies[die], self.package.buffers.kv_capacity
        region = self._executor.kv_bytes(die, slot)
        return [{name: view(region, each) for name, each in layer.tensors(capacity).items()} for layer in layout.layers]

    def close(self) -> None:
        """Stop the threads and free the memory, when the step under way has ended; no view may be used after it."""
        self._executor.close()

    def _write_first_tokens(self) -> None:
        """Write where each die's slice of the vocabulary begins, which its lookup of embeddings needs; it stays."""
        for shape in self._numbers:
            for die, io in zip(self.package.buffers.dies, self.io_views(shape), strict=True):
                if "first_token" in io:
                    io["first_token"][0] = die.vocabulary[0]

    def _die(self, die: int) -> DieCode:
        files, layout = self.package.files, self.package.buffers.dies[die]
        programs = tuple(self._program(die, shape) for shape in self._numbers)
        return DieCode(files / params_file(die), programs, layout.kv_bytes, self.package.buffers.slot_bytes[die])

    def _program(self, die: int, shape: StepShape) -> ProgramCode:
        files, exports = self.package.files, self.package.manifest.exports
        buffers, own = self.package.buffers, self.package.buffers.dies[die]
        layout = decoder_layout(len(buffers.dies), buffers.max_kv_cache_size, buffers.kv_capacity, own, shape)
        library, constants = files / code_file(die, shape), files / constants_file(die, shape)
        return ProgramCode(library, exports.body, exports.head, constants, 0, own.memory(shape), layout)
