"""MLPs that take statistics over their channels (Gemma 3n's sparsity), which a die with some of the channels cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from tytvm.capture import unchecked_distributions
from tytvm.known_numbers import KnownNumbers

STATISTICS = {
    "amax", "amin", "argmax", "cumsum", "linalg_vector_norm", "_log_softmax", "logsumexp", "max", "mean", "min",
    "native_layer_norm", "_fused_rms_norm", "_softmax", "sort", "std", "sum", "topk", "var", "var_mean",
}  # fmt: skip
"""Operators whose result for one channel depends on others."""


def takes_statistics(module: nn.Module, inputs: int, channels: int) -> bool:
    """Whether a module on the meta device takes statistics of rows of `channels` numbers, given rows of `inputs`.

    Of a module that wants other arguments it is not known, and taken for no.
    """
    seen = _Statistics(channels)
    with suppress(Exception), torch.no_grad(), KnownNumbers(), unchecked_distributions(), seen:
        module(torch.empty(1, 2, inputs, device="meta"))  # foreign code may fail in any way
    return seen.found


class _Statistics(TorchDispatchMode):  # type: ignore[misc]
    """Notes whether such an operator was called on rows of so many numbers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels, self.found = channels, False

    def __torch_dispatch__(
        self, function: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call the operator."""
        rows = args[0] if args else None
        if isinstance(rows, torch.Tensor) and rows.ndim and rows.shape[-1] == self.channels:
            self.found |= function.overloadpacket.__name__ in STATISTICS
        called: Callable[..., Any] = function
        return called(*args, **(kwargs or {}))
