"""How a weight is stored in a package: the tensors that stand for it, from shapes alone."""

from __future__ import annotations

from dataclasses import dataclass

LANES = 16
"""Output channels that lie side by side in a packed weight (one 512-bit vector of float32)."""
INT4_INPUTS = 8
"""Inputs of one channel that lie side by side in a packed INT4 weight, in four bytes."""


@dataclass(frozen=True)
class TensorSpec:
    """Shape and NumPy dtype name of one stored tensor."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Plain:
    """A tensor as it is, row-major: norms, biases, tables."""

    shape: tuple[int, ...]
    dtype: str = "float32"

    def tensors(self) -> dict[str, TensorSpec]:
        """Suffix → stored tensor; the empty suffix is the weight's own name."""
        return {"": TensorSpec(self.shape, self.dtype)}


@dataclass(frozen=True)
class W16:
    """A linear weight [out, in] in float16, [out / 16, in, 16]."""

    out_features: int
    in_features: int

    def tensors(self) -> dict[str, TensorSpec]:
        """Suffix → stored tensor."""
        return {"": TensorSpec((-(-self.out_features // LANES), self.in_features, LANES), "float16")}


@dataclass(frozen=True)
class W4:
    """A linear weight [out, in] in INT4 by groups of inputs: weight ≈ (q − zero) · scale.

    `tytvm.kernels.linear.int4_weight` has the layout.
    """

    out_features: int
    in_features: int
    group_size: int

    def tensors(self) -> dict[str, TensorSpec]:
        """Suffix → stored tensor."""
        blocks, groups = -(-self.out_features // LANES), self.in_features // self.group_size
        codes = (blocks, self.in_features // INT4_INPUTS, LANES * INT4_INPUTS // 2)
        return {
            ".weight": TensorSpec(codes, "uint8"),
            ".scale": TensorSpec((blocks, groups, LANES), "float16"),
            ".zero": TensorSpec((blocks, groups, LANES), "uint8"),
        }


WeightFormat = Plain | W16 | W4
