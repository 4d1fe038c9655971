"""A kernel's own memory, for what is too large for the stack and lies best in a core's cache: the runtime has it."""

from tvm.script import tirx as T

from tytvm.kernels.primitives.cost import size
from tytvm.kernels.primitives.expressions import Buffer

BYTES = 1 << 20
"""Bytes that a thread has; the runtime's native/scratch.c says so too."""


def scratch(shape: tuple[int, ...], dtype: str, start: int = 0) -> Buffer:
    """The thread's memory from byte `start` on as a buffer; a kernel finds anything in it.

    Raises:
        ValueError: The shape wants more than there is (the kernel's mistake, not a user's).
    """
    if start + size(dtype, *shape) > BYTES:
        raise ValueError(f"A scratch buffer {shape} of {dtype} at {start} ends beyond {BYTES} bytes.")
    memory = T.bind(T.call_extern("handle", "tyllm_scratch"))
    return T.decl_buffer(shape, dtype, data=memory if start == 0 else T.bind(T.handle_add_byte_offset(memory, start)))
