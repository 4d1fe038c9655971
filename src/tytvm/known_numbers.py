"""Numbers that a model's code makes tensors of stay known on the meta device, where values are lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class KnownNumbers(TorchFunctionMode):  # type: ignore[misc]
    """Within it `torch.tensor(2.0)` is `torch.full((), 2.0)`: an operator that has the number, and so can be folded."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `function`, or `torch.full` in its place."""
        given = dict(kwargs or {})
        if function is torch.tensor and args and isinstance(args[0], bool | int | float):
            kept = {name: given[name] for name in ("dtype", "device") if name in given}
            return torch.full((), args[0], **kept)
        return function(*args, **given)
