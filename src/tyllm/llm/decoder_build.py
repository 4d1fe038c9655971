"""Builds the decoder: each die's weights, and a program for each shape of die and sequence length."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from hf_checkpoint.vision_tower import find_tower
from tyllm.build.metadata import ProgramSummary, die_buffers, summarize
from tyllm.build.needs_table import compile_needs
from tyllm.build.pack_weights import pack_weights
from tyllm.build.process_pool import Task
from tyllm.build.tensor_parallel import IN, OUT
from tyllm.llm.die_model import capture_step, cut_to_die
from tyllm.llm.package_job import COMPILE_LAYER, PackageJob
from tyllm.llm.vision.decoder_step import capture_decoder_step
from tyllm.package import FileEntry, ParamsWriter, write_params
from tyllm.package.buffer_config import slot_bytes
from tyllm.package.code_needs import CodeNeeds, decoder_layout
from tyllm.package.file_names import code_file, constants_file, params_file
from tyllm.package.step_shape import StepShape
from tyllm_base.progress import Advance
from tytvm.capture import Capture
from tytvm.compile import ProgramJob, build_shared_object, compile_program
from tytvm.graph import Graph, kv_layout
from tytvm.kernel_choice import Kernels
from tytvm.kernels.primitives import amx
from tytvm.memory_plan import PlannedProgram

FREE_ROWS = 4  # rows of a product with INT4 weights that take little longer than one, on every instruction set
LOGIT_SHARE, MOST_LOGIT_ROWS = 8, 16  # of long chunks: the head takes a row for every eight tokens, sixteen at most
EXPORTS = {"body": "llm_body", "head": "llm_head"}
"""Symbols of a die's program, before the ABI's prefix."""


@dataclass(frozen=True)
class DecoderBuild:
    """The decoder under way: `folder` is where its files go, `runtime` the runtime's objects for its libraries."""

    job: PackageJob
    folder: Path
    runtime: Sequence[Path]

    def program_keys(self) -> list[tuple[int, StepShape]]:
        """Die and shape of each program to compile: dies with equal parts of the model share one."""
        return list(product(dict.fromkeys(self.job.plan.owners().values()), self.job.settings.shapes))

    def tasks(self) -> list[Task]:
        """The weights first, for they take longest; then the programs in the order of `program_keys`."""
        return [self._write_weights, *(partial(self._compile, die, shape) for die, shape in self.program_keys())]

    def finish(self, compiled: Sequence[ProgramSummary]) -> list[dict[StepShape, ProgramSummary]]:
        """Give each die its program's files; returns what is known of the programs, by die and shape."""
        owners, shapes = self.job.plan.owners(), self.job.settings.shapes
        by_key = dict(zip(self.program_keys(), compiled, strict=True))
        for (die, owner), shape in product(owners.items(), shapes):
            if owner != die:
                self._copy_program(owner, die, shape)
        return [{shape: by_key[owner, shape] for shape in shapes} for owner in owners.values()]

    def _write_weights(self, advance: Advance) -> dict[str, FileEntry]:
        """Pack all dies' weights; their files by name."""
        plan, sizes = self.job.plan, self.job.plan.mebibytes()
        with ExitStack() as stack:
            writers = [
                stack.enter_context(ParamsWriter(self._made(params_file(die.die)), die.tensor_specs()))
                for die in plan.dies
            ]
            pack_weights(plan.stored(), self.job.reader, writers, lambda name: advance(sizes[name], f"pack {name}"))
            return {
                params_file(die.die).as_posix(): writer.close() for die, writer in zip(plan.dies, writers, strict=True)
            }

    def _compile(self, die: int, shape: StepShape, advance: Advance) -> ProgramSummary:
        """One die's program for one shape: its shared object and constants are written."""

        def done(part: str) -> None:
            advance(self.job.layers * COMPILE_LAYER[part], f"{part} {shape}, die {die}")

        captured = self._capture(die, shape)
        done("capture")
        program = self._plan(captured, die, shape)
        done("lower")
        output = self._made(code_file(die, shape))
        needs = compile_needs([self._needs(program, die, shape)], output, self.job.kernels.spec)
        build_shared_object(program, EXPORTS, self.job.kernels, [*self.runtime, needs], output)
        needs.unlink()
        write_params(self._made(constants_file(die, shape)), dict(program.constants))
        done("generate code for")
        return summarize(program)

    def _needs(self, program: PlannedProgram, die: int, shape: StepShape) -> CodeNeeds:
        """What the library says of its program."""
        plan, settings, summary = self.job.plan, self.job.settings, summarize(program)
        buffers = die_buffers(die, plan.sharding.vocabulary[die], {shape: summary})
        layout = decoder_layout(settings.dies, settings.max_kv_cache_size, settings.kv_capacity, buffers, shape)
        memories, kv = summary.memories, summary.kv.total
        sizes = plan.dies[die].layout.total, summary.constants_bytes, kv, _slot_stride(kv, shape)
        return CodeNeeds(EXPORTS["body"], EXPORTS["head"], layout, *sizes, memories.arena_bytes, memories.io_bytes)

    def _capture(self, die: int, shape: StepShape) -> Capture:
        """The graph of one step, with weights of the die's shapes."""
        model, plan = self.job.model, self.job.plan
        cut_to_die(model, plan.shapes, plan.sharding, die)
        rows = logit_rows(shape, self.job.kernels)
        if find_tower(model):
            return capture_decoder_step(model, shape, rows)
        return capture_step(model, shape, rows, self.job.settings.embedding_as_input)

    def _plan(self, captured: Capture, die: int, shape: StepShape) -> PlannedProgram:
        """The planned program of a die's graph."""
        plan, settings, sharding = self.job.plan, self.job.settings, self.job.plan.sharding
        cache = settings.kv_capacity, settings.kv_cache_dtype
        kv = kv_layout(captured, *cache)
        stride = _slot_stride(kv.total, shape)
        return compile_program(
            ProgramJob(
                Graph(captured, plan.dies[die].formats, plan.stored_names, *cache, stride),
                self.job.kernels,
                params=plan.dies[die].layout,
                kv=kv,
                input_sharded=sharding.sharded_along(IN),
                row_sharded=sharding.sharded_along(OUT),
            )
        )

    def _copy_program(self, owner: int, die: int, shape: StepShape) -> None:
        for name in (code_file, constants_file):
            shutil.copyfile(self.folder / name(owner, shape), self._made(name(die, shape)))

    def _made(self, name: Path) -> Path:
        """A file's path, in a folder that exists."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        return path


def logit_rows(shape: StepShape, kernels: Kernels) -> int:
    """For how many tokens one run of the head gives logits: all of a batch; of a chunk as many as cost little more.

    That is a tile of AMX, or as many rows as the processor multiplies while it waits for the weights; where the chunk
    itself takes long, four times as many, of which a prompt uses one.
    """
    if shape.is_batch:
        return shape.batch
    few = amx.SIDE if kernels.rounds_products else FREE_ROWS
    return min(shape.seq_len, max(few, min(shape.seq_len // LOGIT_SHARE, MOST_LOGIT_ROWS)))


def _slot_stride(kv_bytes: int, shape: StepShape) -> int:
    """Bytes from a slot's caches to the next one's in a batch; a program for one sequence knows no other slot."""
    return slot_bytes(kv_bytes) if shape.is_batch else 0
