"""The types of the values that kernels are written with: TVM's, by what they stand for."""

from typing import TypeAlias

from tvm.ir import Expr, Var
from tvm.tirx import PrimFunc

__all__ = ["Buffer", "PrimFunc", "Scalar", "Vector"]

Scalar: TypeAlias = Expr
"""A number or an index: an expression of one value; Python's own numbers become one where they are used."""
Vector: TypeAlias = Expr
"""Neighboring values of one dtype side by side, such as float32x16."""
Buffer: TypeAlias = Var
"""A tensor in memory: a kernel's argument, or what it keeps in registers, on the stack or in scratch memory."""
