"""Large float32 products by bfloat16 tiles, where the processor has them and the result is a sum over many tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch


@cache
def has_tiles() -> bool:
    """Whether this processor multiplies bfloat16 tiles (AMX); elsewhere such products are slower than float32's."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return supported is not None and bool(supported())


@contextmanager
def tiled_products() -> Iterator[None]:
    """Inside, torch may round the factors of large float32 products on the CPU to bfloat16; sums stay float32.

    Twice as fast with AMX. The rounding, 0.2% of a factor and without bias, is small beside INT4's, 5% and more: the
    KL divergence of the trained model's result stays (docs/log/quantizer.md). Small products would be slower.
    """
    before = torch.get_float32_matmul_precision()
    if has_tiles():
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
