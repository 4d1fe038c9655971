"""Memory plan: calls over named buffers become kernel launches over memory, with barriers where data is handed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx

from tytvm.arena import plan_arena
from tytvm.collectives import ALL_REDUCE
from tytvm.linearize import CallList, KernelCall
from tytvm.memory_layout import MemoryLayout, bytes_of, lay_out
from tytvm.weights import TensorSpec


@dataclass(frozen=True)
class BufferSlice:
    """Bytes of one of the program's memories."""

    name: str
    memory: str
    offset: int
    size: int

    def overlaps(self, other: BufferSlice) -> bool:
        """Whether the two share a byte."""
        return (
            self.memory == other.memory
            and self.offset < other.offset + other.size
            and other.offset < self.offset + self.size
        )


@dataclass(frozen=True)
class KernelLaunch:
    """One kernel run by all workers of a die on `arguments`."""

    kernel: str
    arguments: tuple[BufferSlice, ...]
    writes: tuple[int, ...]
    barrier_before: bool

    def __str__(self) -> str:
        slices = (f"{each.name}={each.memory}[{each.offset}:{each.offset + each.size}]" for each in self.arguments)
        return f"{'barrier; ' if self.barrier_before else ''}{self.kernel}({', '.join(slices)})"


@dataclass(frozen=True)
class PlannedProgram:
    """All of one die and sequence length: launches in order, kernels, and the layout of each memory."""

    body: tuple[KernelLaunch, ...]
    head: tuple[KernelLaunch, ...]
    kernels: Mapping[str, tirx.PrimFunc]
    layouts: Mapping[str, MemoryLayout]
    """`params`, `constants`, `kv`, `arena`, `io`."""
    constants: Mapping[str, np.ndarray[Any, Any]]

    def script(self) -> str:
        """The launches as text, one a line, with the bytes that each argument has of its memory."""
        return "\n".join([*map(str, self.body), "# head", *map(str, self.head)])


def plan_memory(
    calls: CallList,
    params: MemoryLayout,
    kv: MemoryLayout,
    constants: Mapping[str, np.ndarray[Any, Any]],
    head_input: str | None = "row",
) -> PlannedProgram:
    """Plan where every buffer lies and where the workers of a die must meet.

    `params` and `kv` are laid out by the caller, for all sequence lengths share them.

    Args:
        calls: the linearized program.
        params: layout of the die's weights, by stored name.
        kv: layout of the die's caches, by `<layer>.k` and `<layer>.v`.
        constants: values of the captured module's own buffers, by placeholder name.
        head_input: the input that tells the head from the body: all that depends on it is the head.
    """
    body, head = _split_head(calls.calls, f"io:{head_input}")
    ordered = [*body, *head]
    used = {argument for call in ordered for argument in call.arguments}
    values = {name.removeprefix("constants:"): value for name, value in calls.constants.items()} | dict(constants)
    layouts = {
        "params": params,
        "kv": kv,
        "arena": plan_arena(ordered, len(body), calls.buffers),
        "constants": lay_out(_of_memory("constants", calls.buffers, used)),
        "io": lay_out(_of_memory("io", calls.buffers, set(calls.buffers))),
    }
    launches = _with_barriers(ordered, len(body), layouts)
    kept = {name: np.ascontiguousarray(values[name]) for name in layouts["constants"].specs}
    return PlannedProgram(tuple(launches[: len(body)]), tuple(launches[len(body) :]), calls.kernels, layouts, kept)


def _split_head(calls: list[KernelCall], head_input: str) -> tuple[list[KernelCall], list[KernelCall]]:
    tainted, body, head = {head_input}, [], []
    for call in calls:
        if tainted & set(call.arguments):
            tainted |= call.written
            head.append(call)
        else:
            body.append(call)
    return body, head


def _of_memory(memory: str, buffers: Mapping[str, TensorSpec], used: set[str]) -> dict[str, TensorSpec]:
    prefix = f"{memory}:"
    return {
        name.removeprefix(prefix): spec for name, spec in buffers.items() if name.startswith(prefix) and name in used
    }


def _buffer_slice(argument: str, layouts: Mapping[str, MemoryLayout]) -> BufferSlice:
    memory, _, name = argument.rpartition(":") if ":" in argument else ("arena", "", argument)
    layout = layouts[memory]
    return BufferSlice(name, memory, layout.offsets[name], bytes_of(layout.specs[name]))


def _with_barriers(calls: list[KernelCall], head_start: int, layouts: Mapping[str, MemoryLayout]) -> list[KernelLaunch]:
    """Launches; one that touches what was written, or writes what was read, since the last barrier needs another."""
    launches: list[KernelLaunch] = []
    read: list[BufferSlice] = []
    written: list[BufferSlice] = []
    for index, call in enumerate(calls):
        slices = tuple(_buffer_slice(argument, layouts) for argument in call.arguments)
        writes = [slices[i] for i in call.writes]
        reads = [own for i, own in enumerate(slices) if i not in call.writes]
        clash = any(a.overlaps(b) for a in reads for b in written) or any(
            a.overlaps(b) for a in writes for b in [*read, *written]
        )
        collective = call.kernel == ALL_REDUCE  # brings its own barriers, before and after
        barrier = index == head_start or (clash and not collective)
        if barrier or collective:
            read, written = [], []
        if not collective:
            read, written = [*read, *reads], [*written, *writes]
        launches.append(KernelLaunch(call.kernel, slices, call.writes, barrier))
    return launches
