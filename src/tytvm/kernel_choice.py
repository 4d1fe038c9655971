"""The choice of an operator's kernel: the first in an ordered list that accepts it; each is built once per shape."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from tvm.tirx import PrimFunc

from tytvm.kernels.attention import attention, attention_merge, cache_append
from tytvm.kernels.experts import (
    combine_experts,
    experts_w4a8,
    experts_w4a16,
    experts_w16a16,
    gated_rows,
    group_by_expert,
)
from tytvm.kernels.kernel import Kernel, KernelTarget, Specialization
from tytvm.kernels.linear import (
    activated_w16a16_amx,
    gated_w4a8_amx,
    gated_w16a16_amx,
    linear_w4a8,
    linear_w4a8_amx,
    linear_w4a16,
    linear_w16a16,
    linear_w16a16_amx,
)
from tytvm.kernels.operands.encoding import Encoding
from tytvm.kernels.operators import Linear
from tytvm.kernels.row_count import limit_rows
from tytvm.kernels.rowwise import (
    activation,
    bfloat16_tiles,
    embedding,
    fill_columns,
    gather_columns,
    layer_norm,
    quantize_rows,
    rms_norm,
    rope,
    select_rows,
    swiglu,
    top_k,
)
from tytvm.kernels.varlen_attention import varlen_attention, varlen_pack
from tytvm.target import InstructionSet
from tytvm.weights import W4, W16

KERNELS: tuple[Kernel[Any], ...] = (
    # Of INT4 weights
    linear_w4a8_amx.KERNEL,  # first: a tile multiplies sixteen rows at once; fewer rows would leave it empty
    linear_w4a8.KERNEL,  # before w4a16, which would take int8's operators too: a vector holds four times as many int8
    linear_w4a16.KERNEL,  # last: any CPU, float32 activations
    # Of float16 weights
    linear_w16a16_amx.KERNEL,  # first, as w4a8's
    linear_w16a16.KERNEL,  # last: any CPU
    # Linear layers and what follows them, in one pass; no general one: else the two are called one by one
    gated_w4a8_amx.KERNEL,  # alone with its weight format
    gated_w16a16_amx.KERNEL,  # alone with its weight format
    activated_w16a16_amx.KERNEL,  # alone with its operator
    # Of experts, as the linear layers above
    experts_w4a8.KERNEL,
    experts_w4a16.KERNEL,
    experts_w16a16.KERNEL,
    # Each of these is alone with its operator, or with its encoding: their order says nothing
    quantize_rows.KERNEL,
    bfloat16_tiles.KERNEL,
    embedding.KERNEL,
    rms_norm.KERNEL,
    layer_norm.KERNEL,
    rope.KERNEL,
    swiglu.KERNEL,
    activation.KERNEL,
    select_rows.KERNEL,
    top_k.KERNEL,
    gather_columns.KERNEL,
    fill_columns.KERNEL,
    group_by_expert.KERNEL,
    gated_rows.KERNEL,
    combine_experts.KERNEL,
    cache_append.KERNEL,
    attention.KERNEL,
    attention_merge.KERNEL,
    varlen_pack.KERNEL,
    varlen_attention.KERNEL,
)
"""In order: the first kernel of an operator that does not answer None does it."""

_OPAQUE = 8
"""TVM's number for what is fused with nothing; loops without blocks of its own it takes for elementwise."""


@dataclass(frozen=True)
class Choice:
    """A kernel that accepted an operator, and how it does it."""

    kernel: Kernel[Any]
    specialization: Specialization
    target: KernelTarget

    @property
    def takes_count(self) -> bool:
        """Whether the first parameter is the number of rows in use."""
        return self.specialization.counted or bool(self.target.counts_rows and self.specialization.rows)

    def function(self) -> PrimFunc:
        """The kernel's PrimFunc, with attributes `tytvm.name` and `tytvm.cost`."""
        arguments, rows = self.specialization.arguments, self.specialization.rows
        cost = json.dumps(asdict(self.kernel.cost(*arguments)))
        function = _build(self.kernel, self.target.spec, *arguments)
        if self.takes_count and rows:
            function = limit_rows(function, rows)
        function = function.with_attr("op_pattern", _OPAQUE)
        return function.with_attr("tytvm.name", self.specialization.name).with_attr("tytvm.cost", cost)


@dataclass(frozen=True)
class Kernels(KernelTarget):
    """The kernels for one target."""

    def find(self, operator: Hashable) -> Choice | None:
        """The first kernel that accepts an operator (tytvm/kernels/operators.py); None where there is none."""
        for kernel in KERNELS:
            if kernel.operator is type(operator):
                specialization = kernel.accepts(self, operator)
                if specialization is not None:
                    return Choice(kernel, specialization, self)
        return None

    def choose(self, operator: Hashable) -> Choice:
        """As `find`, for an operator that some kernel must accept.

        Raises:
            ValueError: None does (the compiler's mistake, not a user's).
        """
        choice = self.find(operator)
        if choice is None:
            raise ValueError(f"No kernel accepts {operator} for {self.spec.name}.")
        return choice

    def input_encoding(self, rows: int, weight: W4 | W16) -> Encoding:
        """How a linear layer of this weight reads so many rows of input."""
        return self.choose(Linear(rows, weight)).specialization.inputs


@cache
def _build(kernel: Kernel[Any], spec: InstructionSet, *arguments: Any) -> PrimFunc:
    """A kernel's PrimFunc; parsing TVMScript takes tens of milliseconds, so each shape is parsed once."""
    return kernel.build(spec, *arguments)
