"""Emitter: what converters write Relax with: the program's buffers, and calls of kernels on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
import tvm
from tvm import relax

from tytvm.graph import Graph
from tytvm.kernel_choice import Choice, Kernels
from tytvm.kernels.operands.encoding import FLOAT32, Encoding, Float32
from tytvm.kernels.operators import Encode
from tytvm.weights import TensorSpec, WeightFormat

ROW_COUNT, LOGIT_COUNT = "row_count", "logit_count"
"""Inputs of a batch, i64[1]: the rows in use, and how many rows the input `row` names."""


@dataclass(frozen=True)
class Encoded:
    """Activations of so many rows and columns in another encoding than float32: the tensors that stand for them."""

    encoding: Encoding
    tensors: list[relax.Var]
    rows: tuple[int, int]


Value: TypeAlias = relax.Expr
"""A node's value in Relax: an expression, or `Encoded`, which only linear layers read."""


class Emitter:
    """Emits calls into one Relax function; `env` holds the value of every node so far.

    Attributes:
        row_count: The input that says how many rows are in use of the node that is converted, if rows are counted.
    """

    def __init__(
        self, graph: Graph, kernels: Kernels, block_builder: relax.BlockBuilder, env: dict[torch.fx.Node, Value]
    ) -> None:
        self.graph, self.kernels = graph, kernels
        self.block_builder, self.env = block_builder, env
        self.buffers: dict[str, relax.Var] = {}
        self.weight_names: dict[torch.fx.Node, str] = {}
        self.row_count = ROW_COUNT
        self._encoded: dict[tuple[relax.Var, Encoding], Encoded] = {}

    # Buffers

    def declare(self, node: torch.fx.Node) -> None:
        """Give a placeholder its buffers: a weight may be stored as several tensors."""
        capture = self.graph.capture
        if node.name in capture.parameters:
            name = capture.parameters[node.name]
            self.weight_names[node] = name
            for suffix, spec in self.graph.weights[name].tensors().items():
                variable = self.buffer(f"params:{self.graph.stored_names[name]}{suffix}", spec)
                self.env.setdefault(node, variable)
        else:
            place = "constants" if node.name in capture.constants else "io"
            value = node.meta["val"]
            dtype = str(value.dtype).removeprefix("torch.")
            self.env[node] = self.buffer(f"{place}:{node.name}", TensorSpec(tuple(value.shape), dtype))

    def buffer(self, name: str, spec: TensorSpec) -> relax.Var:
        """The buffer `<place>:<name>`, a parameter of the function."""
        if name not in self.buffers:
            self.buffers[name] = relax.Var(name, relax.TensorType(spec.shape, spec.dtype))
        return self.buffers[name]

    def format_of(self, weight: torch.fx.Node) -> WeightFormat:
        """The format in which a weight is stored."""
        return self.graph.weights[self.weight_names[weight]]

    def stored_tensors(self, weight: torch.fx.Node) -> list[relax.Var]:
        """The tensors that a weight is stored as."""
        name = self.graph.stored_names[self.weight_names[weight]]
        return [self.buffers[f"params:{name}{suffix}"] for suffix in self.format_of(weight).tensors()]

    # Calls

    def call(
        self, choice: Choice, arguments: list[relax.Expr], *outputs: TensorSpec, count: relax.Var | None = None
    ) -> Any:
        """Call a kernel that was chosen: arguments, then what it writes; returns a variable, or a list of them.

        `count` says how many rows are in use where they are not the step's.
        """
        handle, arguments = self._handle(choice), [*self._count(choice, count), *arguments]
        types = [relax.TensorType(spec.shape, spec.dtype) for spec in outputs]
        if len(types) == 1:
            return self.emit(relax.call_tir(handle, arguments, out_ty=types[0]))
        result = self.emit(relax.call_tir(handle, arguments, out_ty=types))
        return [self.emit(relax.TupleGetItem(result, index)) for index in range(len(types))]

    def call_encoded(
        self,
        choice: Choice,
        arguments: list[relax.Expr],
        outputs: Sequence[TensorSpec],
        encoding: Encoding,
        rows: tuple[int, int],
        count: relax.Var | None = None,
    ) -> list[Value]:
        """Call a kernel whose last output is activations [rows] in an encoding."""
        made = [TensorSpec(*tensor) for tensor in encoding.tensors(*rows)]
        found = self.call(choice, arguments, *outputs, *made, count=count)
        values = found if isinstance(found, list) else [found]
        if encoding == FLOAT32:
            return values
        return [*values[: len(outputs)], Encoded(encoding, values[len(outputs) :], rows)]

    def encode(self, value: Value, encoding: Encoding) -> list[relax.Var]:
        """The tensors that stand for activations [R, K] in an encoding, made once for all that read them.

        Raises:
            ValueError: they exist in another encoding only (the compiler's mistake, not a user's).
        """
        if isinstance(value, Encoded):
            if value.encoding != encoding:
                raise ValueError(f"Activations lie as {value.encoding}, requested is {encoding}.")
            return value.tensors
        if isinstance(encoding, Float32):
            return [value]
        key = (self.origin(value), encoding)
        if key not in self._encoded:
            rows, width = (int(n) for n in value.ty.shape)
            choice = self.kernels.choose(Encode(rows, width, encoding))
            (self._encoded[key],) = self.call_encoded(choice, [value], [], encoding, (rows, width))
        return self._encoded[key].tensors

    def call_inplace(self, choice: Choice, arguments: list[relax.Expr], indices: list[int]) -> list[relax.Var]:
        """Call a kernel that writes to several of its arguments; returns those arguments' new values."""
        types, count = [arguments[index].ty for index in indices], self._count(choice)
        places = [len(count) + index for index in indices]
        call = relax.op.call_tir_inplace(self._handle(choice), [*count, *arguments], places, types)
        result = self.emit(call)
        return [self.emit(relax.TupleGetItem(result, number)) for number in range(len(indices))]

    def _count(self, choice: Choice, count: relax.Var | None = None) -> list[relax.Var]:
        """The argument that says how many rows are in use, where the kernel takes it."""
        if not choice.takes_count:
            return []
        return [self.buffers[f"io:{self.row_count}"] if count is None else count]

    def _handle(self, choice: Choice) -> tvm.ir.GlobalVar:
        return self.block_builder.add_func(choice.function(), choice.specialization.name)

    def reshape(self, value: Value, shape: tuple[int, ...]) -> Value:
        """`value` under another shape of the same size: no work at run time. Encoded rows stay rows."""
        if isinstance(value, Encoded):
            return value
        if tuple(int(n) for n in value.ty.shape) == shape:
            return value
        return self.emit(relax.op.reshape(value, shape))

    def emit(self, expression: relax.Expr) -> relax.Var:
        """Bind an expression to a new variable."""
        return self.block_builder.emit(expression)

    def origin(self, value: relax.Expr) -> relax.Expr:
        """The variable that a chain of reshapes starts from."""
        bound = self.block_builder.lookup_binding(value)
        is_reshape = isinstance(bound, relax.Call) and bound.op == tvm.ir.Op.get("relax.reshape")
        return self.origin(bound.args[0]) if is_reshape else value
