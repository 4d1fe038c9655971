"""Runs a captured step on a few tokens, with stand-ins for its weights and with attention that sees one token only.

What it computes has no meaning but its dependences: a row of the result depends on whatever the model's row depends on,
save what attention would bring. A large weight takes no memory and no time: a linear layer of one mixes its inputs by a
sparse random map of a few numbers for each output, an embedding gives pseudo-random rows. All numbers are float64, so
that what is equal shows equal after many layers.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx

from tytvm.capture import Capture

LARGE = 1 << 18
"""Numbers of a weight from which it is stood in for."""
FLOATS = (torch.float16, torch.bfloat16, torch.float32)


class StandInRun(fx.Interpreter):  # type: ignore[misc]
    """One captured step, to be run with several inputs; `large` is the size from which weights are stood in for."""

    def __init__(self, capture: Capture, large: int = LARGE) -> None:
        import tytvm.ops  # noqa: F401  (defines torch.ops.tytvm)

        super().__init__(capture.graph_module)
        self.capture, self.large, self.given = capture, large, dict[str, Tensor]()
        self.stand_ins: dict[Any, Callable[..., Any]] = {
            torch.ops.aten.linear.default: self._linear,
            torch.ops.aten.embedding.default: self._embedding,
            torch.ops.aten.addmm.default: lambda bias, x, weight: self._product(x, weight.T) + bias,
            torch.ops.aten.mm.default: lambda x, weight: self._product(x, weight.T),
            torch.ops.aten.matmul.default: self._matmul,
            torch.ops.tytvm.attention.default: own_value,
            torch.ops.tytvm.experts.default: chosen_scale,
            torch.ops.aten.empty.memory_format: lambda size, **options: torch.zeros(size, dtype=options.get("dtype")),
            torch.ops.aten.new_empty.default: lambda x, size, **_: x.new_zeros(size),
            torch.ops.aten.empty_like.default: lambda x, **_: torch.zeros_like(x),
            torch.ops.aten.histc.default: lambda x, *rest: torch.histc(x.double(), *rest),  # integers have none
            torch.ops.aten._assert_tensor_metadata.default: lambda *_, **__: None,  # of types that are others here
        }

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """The step's first result for inputs by name."""
        self.given = {name: in_float64(value) for name, value in inputs.items()}
        with torch.no_grad():
            result = self.run(enable_io_processing=False)
        first: Tensor = result[0] if isinstance(result, tuple | list) else result
        return first

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> Tensor:
        """An input, a constant, or what stands for a weight."""
        if target in self.given:
            return self.given[target]
        constant = self.capture.constants.get(target)
        if constant is not None and not constant.is_meta:
            return in_float64(constant.detach().cpu())
        like = next(n for n in self.graph.nodes if n.name == target).meta["val"]
        name, shape = self.capture.parameters.get(target), tuple(like.shape)
        if name is None:  # a constant whose value is unknown: such as a share, of which the inverse of erf is taken
            return (
                0.5 * stand_in(target, shape, self.large)
                if like.is_floating_point()
                else torch.zeros(shape, dtype=like.dtype)
            )
        return stand_in(name, shape, self.large)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """The operator in float64, or what stands for it."""
        args, kwargs = fx.node.map_aggregate((args, kwargs), on_cpu_in_float64)
        return self.stand_ins.get(target, target)(*args, **kwargs)

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        result = self._product(x, weight)
        return result if bias is None else result + bias

    def _matmul(self, x: Tensor, y: Tensor) -> Tensor:
        return self._product(x, y.T) if y.ndim == 2 and _is_stand_in(y) else torch.matmul(x, y)

    def _product(self, x: Tensor, weight: Tensor) -> Tensor:
        """The product x · weightᵀ, or rows that depend on all of x's row and differ from column to column."""
        if not _is_stand_in(weight):
            return torch.nn.functional.linear(x, weight)
        outputs, inputs = weight.shape
        random = torch.Generator().manual_seed(outputs)
        whole = x @ (torch.randn(inputs, generator=random, dtype=torch.float64) / math.sqrt(inputs))
        some = torch.randint(inputs, (outputs,), generator=random)
        factors = torch.randn(2, outputs, generator=random, dtype=torch.float64)
        return x[..., some] * factors[0] + whole.unsqueeze(-1) * factors[1]

    def _embedding(self, table: Tensor, index: Tensor, *_: Any) -> Tensor:
        """The rows, or numbers that follow from row and column."""
        if not _is_stand_in(table):
            return table[index % len(table)]
        columns = torch.arange(table.shape[1], dtype=torch.float64)
        return torch.sin((index.unsqueeze(-1) + 1) * (1.7 + columns % 97) + columns)


def own_value(q: Tensor, k: Tensor, v: Tensor, *_: Any) -> Tensor:
    """Of attention: each token's own value, and what its query and key bring, in a way that tells their order.

    Query and key are weighted differently, since a rotation of both alike must not cancel.
    """
    weights = [
        torch.linspace(low, low + 1, tensor.shape[-1], dtype=torch.float64) for low, tensor in ((0.3, q), (1, k))
    ]
    query, key = ((tensor * weight).mean(-1, keepdim=True) for tensor, weight in zip((q, k), weights, strict=True))
    groups = q.shape[1] // k.shape[1]
    value = v.repeat_interleave(groups, dim=1) + query + torch.tanh(key.repeat_interleave(groups, dim=1))
    return value.transpose(1, 2).contiguous()


def chosen_scale(x: Tensor, chosen: Tensor, weight: Tensor, *_: Any) -> Tensor:
    """Of experts: each token's row by a factor of the experts that it goes to and of their weights."""
    return x * (weight * torch.sin(chosen + 1.0)).sum(-1, keepdim=True)


def stand_in(name: str, shape: tuple[int, ...], large: int) -> Tensor:
    """Random float64 numbers for a weight, around one for vectors; a large one repeats its last axis, in no memory."""
    random = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    if len(shape) < 2:
        return 1 + 0.1 * torch.randn(shape, generator=random, dtype=torch.float64)
    own = shape if math.prod(shape) < large else (*[1] * (len(shape) - 1), shape[-1])
    return (torch.randn(own, generator=random, dtype=torch.float64) / math.sqrt(shape[-1])).expand(shape)


def _is_stand_in(weight: Tensor) -> bool:
    return weight.ndim > 1 and 0 in weight.stride()


def in_float64(value: Tensor) -> Tensor:
    """Floats as float64, all else as it is."""
    return value.double() if value.is_floating_point() else value


def on_cpu_in_float64(argument: Any) -> Any:
    """An operator's argument: types of floats become float64, the meta device the CPU."""
    if argument in FLOATS and isinstance(argument, torch.dtype):
        return torch.float64
    return torch.device("cpu") if isinstance(argument, torch.device) else argument
