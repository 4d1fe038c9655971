"""Random weights in AutoAWQ's format: what a linear layer's float tensor becomes, without rounding anything.

Any bits are codes, so a whole 30B checkpoint is written as fast as the disk takes it: 16 GB in a minute.
"""

import math
import zlib
from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_checkpoint.awq_gemm import PER_WORD
from hf_checkpoint.safetensors_file import Blocks

GROUP = 128  # inputs that share a scale
CONFIG = {"quant_method": "awq", "version": "gemm", "bits": 4, "group_size": GROUP, "zero_point": True}
CODE_DEVIATION = math.sqrt((16**2 - 1) / 12)  # of codes 0..15, all as likely
MIDDLE = 0x88888888  # eight zero points of 8
BLOCK = 1_048_573  # words; a prime, so that no two rows of a matrix are the same
LINEAR = ("_proj.weight", "lm_head.weight")  # routers and embeddings stay floats, as in published checkpoints


def as_awq(named: Iterable[tuple[str, Blocks]], seed: int) -> Iterator[tuple[str, Blocks]]:
    """The tensors of a float checkpoint, with three packed ones in the place of each linear layer's."""
    for name, tensor in named:
        if name.endswith(LINEAR) and len(tensor.shape) == 2:
            yield from packed(name.removesuffix("weight"), tensor.shape, seed)
        else:
            yield name, tensor


def packed(prefix: str, shape: tuple[int, ...], seed: int) -> Iterator[tuple[str, Blocks]]:
    """`qweight`, `qzeros` and `scales` of a linear layer [outputs, inputs]; its weights deviate by 1 / sqrt(inputs)."""
    outputs, inputs = shape
    words, groups = outputs // PER_WORD, inputs // GROUP
    start = zlib.crc32(prefix.encode()) % BLOCK
    scale = 1 / math.sqrt(inputs) / CODE_DEVIATION
    yield f"{prefix}qweight", blocks((inputs, words), partial(random_words, seed), start)
    yield f"{prefix}qzeros", blocks((groups, words), middle_words, 0)
    yield f"{prefix}scales", blocks((groups, outputs), partial(random_scales, scale, seed), start)


def blocks(shape: tuple[int, ...], values: Any, start: int) -> Blocks:
    """A tensor of `values()` from `start` on, again and again."""
    return Blocks(values().dtype, shape, lambda: repeated(values(), start, math.prod(shape)))


def repeated(values: npt.NDArray[Any], start: int, count: int) -> Iterator[npt.NDArray[Any]]:
    """`count` values: `values` from `start` on, again and again."""
    while count:
        part = values[start : start + count]
        yield part
        start, count = 0, count - len(part)


@cache
def random_words(seed: int) -> npt.NDArray[np.int32]:
    """(BLOCK,) words of eight codes."""
    return np.random.default_rng(seed).integers(-(2**31), 2**31, BLOCK, np.int32)


@cache
def middle_words() -> npt.NDArray[np.int32]:
    """(BLOCK,) words of eight zero points."""
    return np.full(BLOCK, MIDDLE, np.uint32).view(np.int32)


@cache
def random_scales(mean: float, seed: int) -> npt.NDArray[np.float16]:
    """(BLOCK,) scales that differ by a tenth."""
    values = np.random.default_rng(seed).uniform(0.9, 1.1, BLOCK)
    return (mean * values).astype(np.float16)
