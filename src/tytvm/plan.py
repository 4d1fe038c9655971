"""Plan: from calls over named buffers to steps over memory, with barriers where one worker needs another's data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx

from tytvm.arena import plan_arena
from tytvm.calls import Call, CallList
from tytvm.collectives import ALL_REDUCE
from tytvm.layout import Layout, bytes_of, lay_out
from tytvm.weights import TensorSpec


@dataclass(frozen=True)
class Region:
    """Bytes of one of the program's memories."""

    name: str
    place: str
    offset: int
    size: int

    def overlaps(self, other: Region) -> bool:
        """Whether the two share a byte."""
        return (
            self.place == other.place
            and self.offset < other.offset + other.size
            and other.offset < self.offset + self.size
        )


@dataclass(frozen=True)
class Step:
    """One kernel run by all workers of a die on `arguments`."""

    kernel: str
    arguments: tuple[Region, ...]
    writes: tuple[int, ...]
    barrier_before: bool


@dataclass(frozen=True)
class Program:
    """All of one die and sequence length: steps in order, kernels, and the layout of each memory."""

    body: tuple[Step, ...]
    head: tuple[Step, ...]
    kernels: Mapping[str, tirx.PrimFunc]
    layouts: Mapping[str, Layout]
    """`params`, `constants`, `kv`, `arena`, `io`."""
    constants: Mapping[str, np.ndarray[Any, Any]]


def plan(
    calls: CallList,
    params: Layout,
    kv: Layout,
    constants: Mapping[str, np.ndarray[Any, Any]],
    head_input: str | None = "row",
) -> Program:
    """Place every buffer; `params` and `kv` are laid out by the caller, for they are shared by all sequence lengths.

    Args:
        calls: the straight list.
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
        "constants": lay_out(_of_place("constants", calls.buffers, used)),
        "io": lay_out(_of_place("io", calls.buffers, set(calls.buffers))),
    }
    steps = _with_barriers(ordered, len(body), layouts)
    kept = {name: np.ascontiguousarray(values[name]) for name in layouts["constants"].specs}
    return Program(tuple(steps[: len(body)]), tuple(steps[len(body) :]), calls.kernels, layouts, kept)


def _split_head(calls: list[Call], head_input: str) -> tuple[list[Call], list[Call]]:
    tainted, body, head = {head_input}, [], []
    for call in calls:
        if tainted & set(call.arguments):
            tainted |= call.written
            head.append(call)
        else:
            body.append(call)
    return body, head


def _of_place(place: str, buffers: Mapping[str, TensorSpec], used: set[str]) -> dict[str, TensorSpec]:
    prefix = f"{place}:"
    return {
        name.removeprefix(prefix): spec for name, spec in buffers.items() if name.startswith(prefix) and name in used
    }


def _region(argument: str, layouts: Mapping[str, Layout]) -> Region:
    place, _, name = argument.rpartition(":") if ":" in argument else ("arena", "", argument)
    layout = layouts[place]
    return Region(name, place, layout.offsets[name], bytes_of(layout.specs[name]))


def _with_barriers(calls: list[Call], head_start: int, layouts: Mapping[str, Layout]) -> list[Step]:
    """Steps; one needs a barrier when it touches what was written, or writes what was read, since the last barrier."""
    steps: list[Step] = []
    read: list[Region] = []
    written: list[Region] = []
    for index, call in enumerate(calls):
        regions = tuple(_region(argument, layouts) for argument in call.arguments)
        writes = [regions[i] for i in call.writes]
        reads = [region for i, region in enumerate(regions) if i not in call.writes]
        clash = any(a.overlaps(b) for a in reads for b in written) or any(
            a.overlaps(b) for a in writes for b in [*read, *written]
        )
        collective = call.kernel == ALL_REDUCE  # brings its own barriers, before and after
        barrier = index == head_start or (clash and not collective)
        if barrier or collective:
            read, written = [], []
        if not collective:
            read, written = [*read, *reads], [*written, *writes]
        steps.append(Step(call.kernel, regions, call.writes, barrier))
    return steps
