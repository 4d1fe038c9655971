"""Capture: a torch module on the meta device becomes one graph of ATen operators, with no weight in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tyllm_base.errors import UnsupportedError
from tytvm.capture_errors import refusal
from tytvm.decompose import decomposed
from tytvm.known_numbers import KnownNumbers

if TYPE_CHECKING:
    import torch


@contextmanager
def _on_meta(module: torch.nn.Module, buffers: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """All on one device while tracing, so that the graph holds no moves between devices; the values come back after."""
    for name, buffer in buffers.items():
        owner, _, own = name.rpartition(".")
        module.get_submodule(owner)._buffers[own] = buffer.to("meta")
    try:
        yield
    finally:
        for name, buffer in buffers.items():
            owner, _, own = name.rpartition(".")
            module.get_submodule(owner)._buffers[own] = buffer


@contextmanager
def unchecked_distributions() -> Iterator[None]:
    """Without torch's checks of a distribution's parameters (Gemma 3n's normal one), which read values."""
    from torch.distributions import Distribution

    checked = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(checked)


@contextmanager
def _in_silence() -> Iterator[None]:
    """Before it raises, torch.export prints the graph that it has so far, and logs hints; the refusal says enough."""
    from torch.export import _trace

    hints = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    was, hints.disabled = hints.disabled, True
    _trace.print = lambda *_, **__: None
    try:
        yield
    finally:
        hints.disabled = was
        del _trace.print


@dataclass(frozen=True)
class Capture:
    """A captured module: its graph, and which placeholder stands for which weight, buffer or input."""

    graph_module: torch.fx.GraphModule
    parameters: dict[str, str]
    """Placeholder name → parameter's dotted name (weights; no values)."""
    constants: dict[str, torch.Tensor]
    """Placeholder name → value (buffers such as rope frequencies, and constants lifted from the code)."""
    inputs: list[str]
    """Placeholder names of the module's own inputs, in order."""

    def within(self, wrapper: str, name: str = "") -> Capture:
        """The capture of a module that stands in another as `wrapper`: weights are called by `name`, not by that."""
        renamed = {node: f"{name}{weight.removeprefix(wrapper)}" for node, weight in self.parameters.items()}
        return replace(self, parameters=renamed)


def capture(module: torch.nn.Module, inputs: Mapping[str, torch.Tensor], name: str = "") -> Capture:
    """Trace `module(**inputs)` with static shapes; `name` stands in messages, by default its class.

    Raises:
        UnsupportedError: the module's Python cannot be traced (control flow on values, no meta kernel), or has tensors
            whose size depends on values.
    """
    import torch
    from torch.fx._lazy_graph_module import _use_lazy_graph_module  # writes no Python for graphs that nobody runs

    buffers, what = dict(module.named_buffers()), name or type(module).__name__
    try:
        with (
            torch.no_grad(),
            _use_lazy_graph_module(True),
            _on_meta(module, buffers),
            KnownNumbers(),
            unchecked_distributions(),
            _in_silence(),
        ):
            program = decomposed(torch.export.export(module, (), dict(inputs), strict=False))
    except Exception as error:
        raise refusal(error, what, inputs) from error
    _refuse_sizes_of_values(program.graph_module, what)
    kinds = torch.export.graph_signature.InputKind
    parameters: dict[str, str] = {}
    constants: dict[str, torch.Tensor] = {}
    names: list[str] = []
    values = {**program.constants, **buffers}
    for spec in program.graph_signature.input_specs:
        if spec.kind == kinds.PARAMETER:
            parameters[spec.arg.name] = str(spec.target)
        elif spec.kind in (kinds.BUFFER, kinds.CONSTANT_TENSOR):
            constants[spec.arg.name] = values[str(spec.target)]
        else:
            names.append(spec.arg.name)
    return Capture(program.graph_module, parameters, constants, names)


def _refuse_sizes_of_values(graph_module: torch.fx.GraphModule, what: str) -> None:
    """Refuse a graph with a size that is known only when it runs, such as how many numbers are not zero."""
    import torch

    for node in graph_module.graph.nodes:
        value = node.meta.get("val")
        shape = value.shape if isinstance(value, torch.Tensor) else ()
        if not all(isinstance(size, int) for size in shape):
            raise UnsupportedError(
                f"{what} makes a tensor whose size depends on the text ({node.name}, {list(shape)}), such as the rows "
                "of one expert; what is compiled has fixed sizes, so its modeling code is not supported."
            )
