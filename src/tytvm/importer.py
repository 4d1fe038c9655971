"""Import: the captured graph becomes one Relax function; our kernels where there are some, else TVM's own converters.

The function's parameters are the buffers that the program touches, named `<memory>:<name>`; from it later steps know
where each lies: `io:` (tokens, positions, row, …), `params:` (weights), `constants:`, `kv:` (a layer's cache).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import tvm
from tvm import relax
from tvm.relax.frontend.torch.exported_program_translator import ExportedProgramImporter

from tyllm_base.errors import TyllmError
from tytvm.converters import CONVERTERS, PARTIAL, shapes
from tytvm.converters.embedding import is_divided
from tytvm.emitter import LOGIT_COUNT, ROW_COUNT, Emitter
from tytvm.graph import Graph, kv_layout
from tytvm.kernel_choice import Kernels
from tytvm.unknown_operators import refusal, untranslated
from tytvm.weights import TensorSpec


def import_graph(graph: Graph, kernels: Kernels) -> tvm.IRModule:
    """The Relax module of a captured graph; its `main` returns the tuple of the graph's outputs.

    Raises:
        UnsupportedError: the graph holds an operator that neither we nor TVM can translate.
    """
    return _Importer(graph, kernels).translate()


class _Importer(ExportedProgramImporter):  # type: ignore[misc]
    """TVM's converters with ours on top; one use per graph."""

    def __init__(self, graph: Graph, kernels: Kernels) -> None:
        super().__init__()
        self.graph = graph
        self.block_builder = relax.BlockBuilder()
        self.emitter = Emitter(graph, kernels, self.block_builder, self.env)
        self.convert_map |= {name: partial(convert, self.emitter) for name, convert in CONVERTERS.items()}
        self.convert_map |= shapes.converters(self.emitter, self.convert_map)
        for name, convert in PARTIAL.items():
            self.convert_map[name] = partial(convert, self.emitter, self.convert_map[name])

    def translate(self) -> tvm.IRModule:
        """Translate every node, in order."""
        nodes = list(self.graph.capture.graph_module.graph.nodes)
        self._refuse_unknown(nodes)
        self._declare_buffers(nodes)
        with self.block_builder.function("main", list(self.emitter.buffers.values())):
            with self.block_builder.dataflow():
                head = self._head(nodes)
                for node in nodes:
                    if node.op == "call_function":
                        self._count_rows(in_head=node in head)
                        self.env[node] = self._converted(node)
                outputs = next(node for node in nodes if node.op == "output").args[0]
                result = self.block_builder.emit_output(relax.Tuple(self._results(outputs)))
            self.block_builder.emit_func_output(result)
        return self.block_builder.get()

    def _converted(self, node: torch.fx.Node) -> Any:
        """The value of a node; raises `UnsupportedError` where its converter cannot cope with it."""
        try:
            return self.convert_map[node.target.__name__](node)
        except TyllmError:
            raise
        except Exception as error:  # TVM's converters fail in any way on what they do not expect
            raise untranslated(node, error) from error

    def _count_rows(self, *, in_head: bool) -> None:
        """Let kernels leave out rows that are not in use: in the body those of a batch, in the head always."""
        emitter, graph = self.emitter, self.graph
        emitter.row_count = LOGIT_COUNT if in_head else ROW_COUNT
        counts = _logit_rows(graph) > 1 if in_head else graph.slot_bytes > 0
        emitter.kernels = replace(emitter.kernels, counts_rows=counts)

    def _results(self, outputs: Sequence[torch.fx.Node]) -> list[relax.Var]:
        """The values that the program returns, each in its own buffer: inputs and values returned twice are copied."""
        seen = set(self.emitter.buffers.values())
        results = []
        for node in outputs:
            value = self.env[node]
            if self.emitter.origin(value) in seen:
                one = relax.const(1, value.ty.dtype.dtype)
                value = self.block_builder.emit(relax.op.multiply(value, one))
            seen.add(self.emitter.origin(value))
            results.append(value)
        return results

    def _refuse_unknown(self, nodes: list[torch.fx.Node]) -> None:
        called = [node for node in nodes if node.op == "call_function"]
        unknown = [node for node in called if node.target.__name__ not in self.convert_map]
        if unknown:
            raise refusal(unknown)

    def _declare_buffers(self, nodes: list[torch.fx.Node]) -> None:
        for node in nodes:
            if node.op == "placeholder" and (node.users or node.name in self.graph.capture.inputs):
                self.emitter.declare(node)
        for name, spec in kv_layout(self.graph.capture, self.graph.kv_capacity, self.graph.kv_dtype).specs.items():
            self.emitter.buffer(f"kv:{name}", spec)
        for name, count in _implied_inputs(nodes, self.graph):
            self.emitter.buffer(f"io:{name}", TensorSpec((count,), "int64"))

    def _head(self, nodes: list[torch.fx.Node]) -> set[torch.fx.Node]:
        """The nodes that depend on the head's input."""
        head: set[torch.fx.Node] = set()
        for node in nodes:
            if node.name == self.graph.head_input or head & set(node.all_input_nodes):
                head.add(node)
        return head


def _implied_inputs(nodes: Sequence[torch.fx.Node], graph: Graph) -> Iterator[tuple[str, int]]:
    """Inputs that kernels have and the graph has not, and their lengths.

    They are where the caches end, which token a die's part of the table begins with, how many rows the head takes if
    it can take several and, of a batch, each row's slot and how many rows are in use.
    """
    attention = next((node for node in nodes if node.target is torch.ops.tytvm.attention.default), None)
    if attention is not None:
        batch = attention.meta["val"].shape[1] if graph.slot_bytes else 1
        yield "position", batch
        if graph.slot_bytes:
            yield from (("slot", batch), (ROW_COUNT, 1))
    if _logit_rows(graph) > 1:
        yield LOGIT_COUNT, 1
    if any(is_divided(node) for node in nodes):
        yield "first_token", 1


def _logit_rows(graph: Graph) -> int:
    """How many rows the head's input names; 0 where there is no head."""
    placeholders = graph.capture.graph_module.graph.find_nodes(op="placeholder")
    return next((len(node.meta["val"]) for node in placeholders if node.name == graph.head_input), 0)
