"""The masks that transformers asks for: the attention operator makes causal ones itself, and no others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

WINDOW = "sliding_window_overlay"
MADE = {"causal_mask_function", WINDOW, "chunked_overlay"}
"""What the operator does itself, by transformers' names."""
ALL_VISIBLE = {"padding_mask_function", "packed_sequence_mask_function"}
"""What hides nothing in a step: it has one sequence and no padding."""
WITHIN_IMAGES = {"blockwise_overlay"}
"""What shows more than causal attention to the tokens of images alone, of which a step of text has none."""


def mask(
    *_: object,
    q_length: int = 1,
    kv_length: int = 1,
    mask_function: Callable[..., object] | None = None,
    **__: object,
) -> torch.Tensor | None:
    """Transformers' mask function: None of a causal mask, which the operator makes; of any other a tensor.

    That of a sliding window says so (`window_of`). Another refuses the attention alone that is given it (attention.py):
    a model may make a mask that it does not use.
    """
    found = dict(_parts(mask_function)) if mask_function is not None else {}
    is_made = found.keys() <= MADE | ALL_VISIBLE | WITHIN_IMAGES
    if is_made and WINDOW not in found:
        return None
    made = torch.ones(1, 1, q_length, kv_length, device="meta")
    made.window = found[WINDOW]["sliding_window"] if is_made else None
    return made


def window_of(attention_mask: torch.Tensor | None) -> int | None:
    """The tokens of the window of a mask made here, 0 where it has none; None of any other mask."""
    return 0 if attention_mask is None else getattr(attention_mask, "window", None)


def _parts(mask_function: Callable[..., object]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and settings of the mask functions that one is made of; of one that is not, its own."""
    name = mask_function.__qualname__.partition(".")[0]
    inner = inspect.getclosurevars(mask_function).nonlocals
    if name in ("and_masks", "or_masks"):
        for part in inner["mask_functions"]:
            yield from _parts(part)
    elif name == "add_offsets_to_mask_function":
        yield from _parts(inner["mask_function"])
    else:
        yield name, inner
