"""What a program's code was compiled for, as its library and the package's JSON files both say it.

Offsets are baked into compiled code. So each library has a table of needs (native/tyllm_runtime.h): for each program
the sizes of its memories, and a hash of where all lies in them. A number that the JSON files say otherwise is found
when the library is loaded, before anything runs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from msgspec import to_builtins

from tyllm.package.buffer_config import DieBuffers
from tyllm.package.compiled_module import ModuleMemory, ModuleProgram
from tyllm.package.step_shape import StepShape


@dataclass(frozen=True)
class CodeNeeds:
    """What one program needs.

    Attributes:
        body: symbol of its function, before the ABI's prefix.
        head: likewise of its second part; "" where it has none.
        layout: SHA-256 of where all lies in its memories, 64 hexadecimal digits.
        params_bytes: of the die's weights, and of a module all constants: the whole data section of its .params file.
        constants_bytes: of its own constants.
        kv_bytes: of a slot's KV cache.
        slot_bytes: from a slot's KV cache to the next one's, of a batch; 0 for code that gets the cache of one slot.
        arena_bytes: of intermediate values.
        io_bytes: of inputs and outputs.
    """

    body: str
    head: str
    layout: str
    params_bytes: int
    constants_bytes: int
    kv_bytes: int
    slot_bytes: int
    arena_bytes: int
    io_bytes: int


def decoder_layout(dies: int, max_kv_cache_size: int, kv_capacity: int, die: DieBuffers, shape: StepShape) -> str:
    """The hash of a language model's program: the same for dies of equal shapes, which share their code."""
    return _hash(
        dies=dies,
        max_kv_cache_size=max_kv_cache_size,
        kv_capacity=kv_capacity,
        rows=die.rows,
        kv_bytes=die.kv_bytes,
        layers=die.layers,
        shape=shape,
        memory=die.memory(shape),
    )


def module_layout(dies: int, program: ModuleProgram, memory: ModuleMemory) -> str:
    """The hash of a compiled module's program on a die."""
    return _hash(dies=dies, program=program, memory=memory)


def _hash(**facts: Any) -> str:
    text = json.dumps(to_builtins(facts, str_keys=True), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
