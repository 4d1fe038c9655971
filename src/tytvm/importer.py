"""Import: the captured graph becomes one Relax function; our kernels where there are some, else TVM's own converters.

The function's parameters are the buffers that the program touches, named `<place>:<name>`; from it later steps know
where each lies: `io:` (tokens, positions, row, …), `params:` (weights), `constants:`, `kv:` (a layer's cache).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import tvm
from tvm import relax
from tvm.relax.frontend.torch.exported_program_translator import ExportedProgramImporter

from tytvm.capture import Capture
from tytvm.errors import UnsupportedError
from tytvm.kernel_choice import Kernels
from tytvm.layout import Layout, lay_out
from tytvm.weights import W4, W16, TensorSpec, WeightFormat

ALL_REDUCE = "tytvm.all_reduce"
"""Name of the collective in the Relax function, where it stands as an opaque call."""


@dataclass(frozen=True)
class Graph:
    """What is imported: the captured graph, how each weight is stored, which inputs and cache rows there are."""

    capture: Capture
    weights: Mapping[str, WeightFormat]
    """Parameter's dotted name → format; two names of one tensor (a tied head) share the format object's stored name."""
    stored_names: Mapping[str, str]
    """Parameter's dotted name → name of its stored tensor (itself, unless it is tied to another)."""
    kv_capacity: int
    """Rows of each layer's key/value cache."""


def kv_layout(capture: Capture, capacity: int) -> Layout:
    """The caches of a graph's attention layers: `<layer>.k` and `<layer>.v`, float16 [heads, capacity, width]."""
    specs: dict[str, TensorSpec] = {}
    for node in capture.graph_module.graph.nodes:
        if node.target is torch.ops.tytvm.attention.default:
            for which, argument in (("k", 1), ("v", 2)):
                _, heads, _, width = node.args[argument].meta["val"].shape
                specs[f"{node.args[3]}.{which}"] = TensorSpec((heads, capacity, width), "float16")
    return lay_out(specs)


def import_graph(graph: Graph, kernels: Kernels) -> tvm.IRModule:
    """The Relax module of a captured graph; its `main` returns the graph's output.

    Raises:
        UnsupportedError: the graph holds an operator that neither we nor TVM can translate.
    """
    return _Importer(graph, kernels).run()


class _Importer(ExportedProgramImporter):  # type: ignore[misc]
    """TVM's converters with ours on top; one use per graph."""

    def __init__(self, graph: Graph, kernels: Kernels) -> None:
        super().__init__()
        self.graph, self.kernels = graph, kernels
        self.block_builder = relax.BlockBuilder()
        self.buffers: dict[str, relax.Var] = {}
        self.weight_names: dict[torch.fx.Node, str] = {}
        self.quantised: dict[tuple[Any, int], list[relax.Var]] = {}
        self.convert_map |= {
            "linear.default": self._linear,
            "embedding.default": self._embedding,
            "attention.default": self._attention,
            "all_reduce.default": self._all_reduce,
            "rms_norm.default": self._rms_norm,
            "rope.default": self._rope,
            "swiglu.default": self._swiglu,
            "index.Tensor": self._index,
            "unsqueeze.default": self._reshape_to_value,
            "squeeze.dim": self._reshape_to_value,
            "transpose.int": self._unless_moved(self.convert_map["transpose.int"]),
            "permute.default": self._unless_moved(self.convert_map["permute.default"]),
        }

    def run(self) -> tvm.IRModule:
        """Translate every node, in order."""
        nodes = list(self.graph.capture.graph_module.graph.nodes)
        self._refuse_unknown(nodes)
        for node in nodes:
            if node.op == "placeholder" and (node.users or node.name in self.graph.capture.inputs):
                self._place(node)
        for name, spec in kv_layout(self.graph.capture, self.graph.kv_capacity).specs.items():
            self._buffer(f"kv:{name}", spec)
        for name in ("position", "first_token"):
            self._buffer(f"io:{name}", TensorSpec((1,), "int64"))
        with self.block_builder.function("main", list(self.buffers.values())):
            with self.block_builder.dataflow():
                for node in nodes:
                    if node.op == "call_function":
                        self.env[node] = self.convert_map[node.target.__name__](node)
                (output,) = next(node for node in nodes if node.op == "output").args[0]
                result = self.block_builder.emit_output(self.env[output])
            self.block_builder.emit_func_output(result)
        return self.block_builder.get()

    def _refuse_unknown(self, nodes: list[torch.fx.Node]) -> None:
        called = {node.target for node in nodes if node.op == "call_function"}
        unknown = sorted(str(target) for target in called if target.__name__ not in self.convert_map)
        if unknown:
            raise UnsupportedError(
                f"The model uses {', '.join(unknown)}, which cannot be compiled; no setting avoids it."
            )

    # Buffers

    def _place(self, node: torch.fx.Node) -> None:
        """Give a placeholder its buffers: a weight may be stored as several tensors."""
        capture = self.graph.capture
        if node.name in capture.parameters:
            name = capture.parameters[node.name]
            self.weight_names[node] = name
            for suffix, spec in self.graph.weights[name].tensors().items():
                variable = self._buffer(f"params:{self.graph.stored_names[name]}{suffix}", spec)
                self.env.setdefault(node, variable)
        else:
            place = "constants" if node.name in capture.constants else "io"
            value = node.meta["val"]
            self.env[node] = self._buffer(f"{place}:{node.name}", TensorSpec(tuple(value.shape), _dtype(value)))

    def _buffer(self, name: str, spec: TensorSpec) -> relax.Var:
        if name not in self.buffers:
            self.buffers[name] = relax.Var(name, relax.TensorType(spec.shape, spec.dtype))
        return self.buffers[name]

    # Emission

    def _emit(self, function: Any, arguments: list[Any], *outputs: TensorSpec) -> Any:
        """Call a kernel: arguments, then what it writes; returns a variable, or a list of them."""
        handle = self.block_builder.add_func(function, function.attrs["tytvm.name"])
        types = [relax.TensorType(spec.shape, spec.dtype) for spec in outputs]
        if len(types) == 1:
            return self.block_builder.emit(relax.call_tir(handle, arguments, out_ty=types[0]))
        result = self.block_builder.emit(relax.call_tir(handle, arguments, out_ty=types))
        return [self.block_builder.emit(relax.TupleGetItem(result, index)) for index in range(len(types))]

    def _shaped(self, value: Any, shape: tuple[int, ...]) -> Any:
        """`value` under another shape of the same size: no work at run time."""
        if tuple(int(n) for n in value.ty.shape) == shape:
            return value
        return self.block_builder.emit(relax.op.reshape(value, shape))

    def _reshape_to_value(self, node: torch.fx.Node) -> Any:
        return self._shaped(self.env[node.args[0]], tuple(node.meta["val"].shape))

    def _unless_moved(self, convert: Callable[[torch.fx.Node], Any]) -> Callable[[torch.fx.Node], Any]:
        """A permutation that moves only axes of length 1 is a reshape: so it is for one token."""

        def converted(node: torch.fx.Node) -> Any:
            before, after = node.args[0].meta["val"].shape, node.meta["val"].shape
            if [n for n in before if n != 1] != [n for n in after if n != 1] or len(set(before) - {1}) != sum(
                n != 1 for n in before
            ):
                return convert(node)
            return self._reshape_to_value(node)

        return converted

    def _index(self, node: torch.fx.Node) -> Any:
        """Rows by one tensor of indices: negative ones count from the end, and none reads outside, as TVM's might."""
        x, indices = node.args
        given = [(axis, index) for axis, index in enumerate(indices) if index is not None]
        if len(given) != 1:
            return self._index_tensor(node)
        ((axis, index),) = given
        return self.block_builder.emit(relax.op.take(self.env[x], self.env[index], axis, "wrap"))

    # Operators of ours

    def _linear(self, node: torch.fx.Node) -> Any:
        x_node, weight_node, *rest = node.args
        shape = tuple(node.meta["val"].shape)
        weight = self.graph.weights[self.weight_names[weight_node]] if weight_node in self.weight_names else None
        x = self._shaped(self.env[x_node], (math.prod(shape[:-1]), x_node.meta["val"].shape[-1]))
        bias = [self.env[rest[0]]] if rest and rest[0] is not None else []
        if isinstance(weight, W16):
            result = self._linear_w16(x, weight_node, weight, bias)
        elif isinstance(weight, W4):
            result = self._linear_w4(x, weight_node, weight, bias)
        else:
            raise UnsupportedError(
                f"A linear layer multiplies by {weight_node}, no weight of the checkpoint; it cannot be compiled."
            )
        return self._shaped(result, shape)

    def _linear_w16(self, x: Any, node: torch.fx.Node, weight: W16, bias: list[Any]) -> Any:
        rows = int(x.ty.shape[0])
        kernel = self.kernels.linear_w16a16(rows, weight, bool(bias))
        return self._emit(kernel, [x, self.env[node], *bias], TensorSpec((rows, weight.out_features), "float32"))

    def _linear_w4(self, x: Any, node: torch.fx.Node, weight: W4, bias: list[Any]) -> Any:
        rows = int(x.ty.shape[0])
        name = self.graph.stored_names[self.weight_names[node]]
        stored = [self.buffers[f"params:{name}{suffix}"] for suffix in weight.tensors()]
        inputs = self._quantise(x, weight) if self.kernels.int8_activations else [x]
        kernel = self.kernels.linear_w4(rows, weight, bool(bias))
        return self._emit(kernel, [*inputs, *stored, *bias], TensorSpec((rows, weight.out_features), "float32"))

    def _quantise(self, x: Any, weight: W4) -> list[Any]:
        """int8 codes, scales and sums of `x`, once for all linears that read it."""
        rows, width = (int(n) for n in x.ty.shape)
        group = self.kernels.activation_group(weight)
        source = self._origin(x)
        if (source, group) not in self.quantised:
            groups = (rows, width // group)
            outputs = (TensorSpec((rows, width), "int8"), TensorSpec(groups, "float32"), TensorSpec(groups, "int32"))
            self.quantised[source, group] = self._emit(self.kernels.quantize_rows(rows, width, group), [x], *outputs)
        return self.quantised[source, group]

    def _origin(self, value: Any) -> Any:
        """The variable that a chain of reshapes starts from."""
        bound = self.block_builder.lookup_binding(value)
        is_reshape = isinstance(bound, relax.Call) and bound.op == tvm.ir.Op.get("relax.reshape")
        return self._origin(bound.args[0]) if is_reshape else value

    def _embedding(self, node: torch.fx.Node) -> Any:
        is_custom = node.target is torch.ops.tytvm.embedding.default
        tokens, table = (node.args[0], node.args[2]) if is_custom else (node.args[1], node.args[0])
        if table not in self.weight_names:
            raise UnsupportedError(f"An embedding reads {table}, no weight of the checkpoint; it cannot be compiled.")
        shape = tuple(node.meta["val"].shape)
        count = math.prod(shape[:-1])
        weight = self.graph.weights[self.weight_names[table]]
        kernel = self.kernels.embedding(count, weight)
        arguments = [self._shaped(self.env[tokens], (count,)), self.buffers["io:first_token"], self.env[table]]
        return self._shaped(self._emit(kernel, arguments, TensorSpec((count, shape[-1]), "float32")), shape)

    def _attention(self, node: torch.fx.Node) -> Any:
        q, k, v, layer, scale, window, softcap = node.args
        (_, heads, tokens, width), v_width = q.meta["val"].shape, v.meta["val"].shape[-1]
        position, caches = self.buffers["io:position"], []
        for which, new in (("k", k), ("v", v)):
            cache = self.buffers[f"kv:{layer}.{which}"]
            shape = tuple(int(n) for n in cache.ty.shape)
            rows = self._shaped(self.env[new], (shape[0], tokens, shape[2]))
            append = self.kernels.cache_append(shape[0], tokens, shape[2], shape[1])
            handle = self.block_builder.add_func(append, append.attrs["tytvm.name"])
            call = relax.op.call_tir_inplace(handle, [rows, position, cache], [2], relax.TensorType(shape, "float16"))
            caches.append(self.block_builder.emit(call))
        key_heads = int(caches[0].ty.shape[0])
        kernel = self.kernels.attention(
            heads, key_heads, tokens, width, v_width, self.graph.kv_capacity, scale, window, softcap
        )
        query = self._shaped(self.env[q], (heads, tokens, width))
        result = self._emit(kernel, [query, *caches, position], TensorSpec((tokens, heads, v_width), "float32"))
        return self._shaped(result, tuple(node.meta["val"].shape))

    def _all_reduce(self, node: torch.fx.Node) -> Any:
        value = self.env[node.args[0]]
        return self.block_builder.emit(relax.op.call_dps_packed(ALL_REDUCE, (value,), out_ty=value.ty))

    def _rms_norm(self, node: torch.fx.Node) -> Any:
        x, weight, eps = node.args if node.target is torch.ops.tytvm.rms_norm.default else _torch_rms_norm(node)
        shape = tuple(node.meta["val"].shape)
        rows = (math.prod(shape[:-1]), shape[-1])
        kernel = self.kernels.rms_norm(*rows, eps)
        return self._shaped(
            self._emit(kernel, [self._shaped(self.env[x], rows), self.env[weight]], TensorSpec(rows, "float32")), shape
        )

    def _rope(self, node: torch.fx.Node) -> Any:
        shape = tuple(node.meta["val"].shape)
        x, cos, sin = (
            self._shaped(self.env[argument], tuple(argument.meta["val"].shape)[1:]) for argument in node.args
        )
        kernel = self.kernels.rope(*shape[1:])
        return self._shaped(self._emit(kernel, [x, cos, sin], TensorSpec(shape[1:], "float32")), shape)

    def _swiglu(self, node: torch.fx.Node) -> Any:
        shape = tuple(node.meta["val"].shape)
        rows = (math.prod(shape[:-1]), shape[-1])
        gate, up = (self._shaped(self.env[argument], rows) for argument in node.args)
        return self._shaped(self._emit(self.kernels.swiglu(*rows), [gate, up], TensorSpec(rows, "float32")), shape)


def _dtype(value: torch.Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _torch_rms_norm(node: torch.fx.Node) -> tuple[Any, Any, float]:
    """Input, weight and epsilon of torch's own RMSNorm, which has the name of ours."""
    x, axes, weight, eps = (*node.args, None, None)[:4]
    if len(axes) != 1 or weight is None:
        raise UnsupportedError(
            f"The model uses {node.target} over {list(axes)} with weight {weight}, which cannot be compiled."
        )
    return x, weight, torch.finfo(torch.float32).eps if eps is None else eps
