"""Decompose: what has no kernel, or writes to its input, becomes operators that the rewrites and converters know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch.export import ExportedProgram

aten = torch.ops.aten
COMPOSITE = (
    aten.repeat_interleave.self_int, aten.where.ScalarSelf, aten.where.ScalarOther, aten.where.Scalar,
    aten.multiply.Tensor, aten.multiply.Scalar, aten.divide.Tensor, aten.std.dim,
)  # fmt: skip
"""Operators that are a few others, which torch's own decomposition writes out."""


def decomposed(program: ExportedProgram) -> ExportedProgram:
    """The program with functional operators that are known; the same object where it has no others.

    Most models need none of it, and tracing again takes about as long as tracing.
    """
    if not any(map(_is_decomposed, program.graph.nodes)):
        return program
    table = torch.export.default_decompositions()
    return program.run_decompositions({operator: table[operator] for operator in COMPOSITE})


def _is_decomposed(node: torch.fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return node.target in COMPOSITE or (schema is not None and bool(schema.is_mutable))
