"""A kernel as one frozen object that its file declares; `kernel_choice` has the ordered list of all.

A kernel that cannot do an operator answers None ("not mine"); the next one in the list is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from tvm.tirx import PrimFunc

from tytvm.kernels.operands.encoding import FLOAT32, Encoding, Tensor
from tytvm.kernels.primitives import amx
from tytvm.kernels.primitives.cost import Cost
from tytvm.target import InstructionSet

Operator = TypeVar("Operator")


class WorkKind(Enum):
    """The kind of most of a kernel's work."""

    WEIGHT_PRODUCT = "products of activations and a stored weight"
    ATTENTION = "attention"
    ROWWISE = "arithmetic on each row by itself"
    MOVE = "data moved, not computed"


@dataclass(frozen=True)
class KernelTarget:
    """The CPU and the arithmetic that kernels are chosen for.

    Attributes:
        spec: The CPU.
        int8_activations: Whether INT4 weights are multiplied by int8 activations, and other products may round their
            factors to bfloat16; else all activations are float32.
        counts_rows: Whether a step may use fewer rows than it is compiled for. Then kernels that can leave the others
            out take the number of those in use, i64[1], as their first parameter.
    """

    spec: InstructionSet
    int8_activations: bool
    counts_rows: bool = False

    @property
    def rounds_products(self) -> bool:
        """Whether products may be, and are, of rounded factors in AMX tiles."""
        return self.spec.has_tiles and self.int8_activations

    def uses_tiles(self, rows: int) -> bool:
        """Whether a product of so many rows of activations is made in AMX tiles."""
        return self.rounds_products and rows >= amx.SIDE


@dataclass(frozen=True)
class Specialization:
    """How a kernel does one operator of given shapes.

    Attributes:
        name: The emitted function's name, `symbol` makes it; one name may stand for several builds.
        arguments: Of the kernel's `build` after the instruction set, and of its `cost`; hashable.
        inputs: The encoding in which a product reads its activations.
        workspace: Shape and dtype of what the kernel writes for itself or for the kernel after it, behind its output.
        followed_by: The operator that makes the result of what lies in the workspace, if the kernel does not.
        rows: Rows that the parallel loop takes in order, each in equally many iterations: a batch can end it early.
            0 where the loop is over something else.
        counted: Whether the kernel itself takes the number of rows in use, since its target counts them.
    """

    name: str
    arguments: tuple[Any, ...]
    inputs: Encoding = FLOAT32
    workspace: tuple[Tensor, ...] = ()
    followed_by: Any = None
    rows: int = 0
    counted: bool = False


@dataclass(frozen=True)
class WeightLayout:
    """How a kernel's weight lies in memory: `pack` makes the stored tensors by name, `unpack` is its inverse."""

    pack: Callable[..., dict[str, Any]]
    unpack: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Kernel(Generic[Operator]):
    """One kernel.

    Attributes:
        operator: The class of the operators that it may do (tytvm/kernels/operators.py).
        accepts: How it does an operator for a target; None for what it cannot do or another kernel must.
        build: (spec, *arguments of the specialization) → PrimFunc, whose parameters are buffers.
        cost: (*arguments of the specialization) → operations and bytes.
        reference: The meaning in NumPy.
        kind: What most of its work is.
        layout: How the weight lies that it reads, if any.
    """

    operator: type[Operator]
    accepts: Callable[[KernelTarget, Operator], Specialization | None]
    build: Callable[..., PrimFunc]
    cost: Callable[..., Cost]
    reference: Callable[..., Any]
    kind: WorkKind
    layout: WeightLayout | None = None


def symbol(name: str, *sizes: object, **flags: bool) -> str:
    """The emitted function's name: the kernel's, the sizes, and the flags that are set."""
    return "_".join([name, *map(str, sizes), *(flag for flag, is_set in flags.items() if is_set)])
