"""Numbers that a model's code makes tensors of stay known on the meta device, where values are lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class KnownNumbers(TorchFunctionMode):  # type: ignore[misc]
    """Within it `torch.tensor(2.0)` is `torch.full((), 2.0)`: an operator that has the number, and so can be folded.

    And `x[:, [-1]]` is `x[:, -1:]`, of which torch would make a tensor of the number -1.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `function`, or with numbers that are known."""
        given = dict(kwargs or {})
        if function is torch.tensor and args and isinstance(args[0], bool | int | float):
            kept = {name: given[name] for name in ("dtype", "device") if name in given}
            return torch.full((), args[0], **kept)
        if function is torch.Tensor.__getitem__ and isinstance(args[1], tuple | list):
            return function(args[0], _with_slices(args[1]))
        return function(*args, **given)


def _with_slices(index: Sequence[Any]) -> Sequence[Any]:
    """An index with its one list of one number as a slice; any other as it is."""
    if not isinstance(index, tuple):
        return _with_slices((index,)) if _is_lone(index) else index
    advanced = [each for each in index if not isinstance(each, slice | None | type(Ellipsis))]
    if len(advanced) != 1 or not _is_lone(advanced[0]):
        return index
    return tuple(slice(each[0], each[0] + 1 or None) if _is_lone(each) else each for each in index)


def _is_lone(index: object) -> bool:
    """Whether it is a list of one number."""
    return isinstance(index, list) and len(index) == 1 and type(index[0]) is int
