"""Where the queries, keys and values of packed sequences lie before they are packed: as linear layers leave them."""

from dataclasses import dataclass

from tytvm.kernels.operands.packed_sequences import PackedSequences, Tensor
from tytvm.kernels.primitives.expressions import Buffer, Scalar, Vector


@dataclass(frozen=True)
class QkvSource:
    """The buffers in which queries, keys and values lie.

    Attributes:
        tokens: Of each of a batch's rows; all tensors hold whole rows, one after the other.
        by_token: For queries, keys and values: whether a token's heads lie side by side, [token, head, input].
        fused: Whether all three are one tensor [token, 3, head, input].
        rotated: Whether queries and keys are rotated by cosines and sines [token, D] (RoPE). Implies `fused`.
    """

    tokens: int
    by_token: tuple[bool, bool, bool] = (True, True, True)
    fused: bool = False
    rotated: bool = False

    def tensors(self, shape: PackedSequences) -> dict[str, Tensor]:
        """Name → shape and type of what is read, in order."""
        found: dict[str, tuple[int, ...]]
        if self.fused:
            found = {"qkv": (shape.tokens, 3, shape.H, shape.D)}
        else:
            sizes = ((shape.H, shape.D), (shape.KH, shape.D), (shape.KH, shape.Dv))
            found = {name: self._shape(shape, part, *sizes[part]) for part, name in enumerate("qkv")}
        if self.rotated:
            found |= dict.fromkeys(("cos", "sin"), (shape.tokens, shape.D))
        return {name: (extents, "float32") for name, extents in found.items()}

    def _shape(self, shape: PackedSequences, part: int, heads: int, width: int) -> tuple[int, ...]:
        batch = shape.tokens // self.tokens
        return (shape.tokens, heads, width) if self.by_token[part] else (batch, heads, self.tokens, width)

    def read(self, buffers: dict[str, Buffer], part: int, row: Scalar, head: Scalar, at: Scalar) -> Vector:
        """Inputs of a token's query (part 0), key (1) or value (2)."""
        buffer, address = self.address(buffers, part, row, head)
        return buffer[(*address, at)]

    def address(self, buffers: dict[str, Buffer], part: int, row: Scalar, head: Scalar) -> tuple[Buffer, list[Scalar]]:
        """The tensor that has a token's query, key or value of a head, and the indices of its first input there."""
        if self.fused:
            return buffers["qkv"], [row, part, head]
        if self.by_token[part]:
            return buffers["qkv"[part]], [row, head]
        return buffers["qkv"[part]], [row // self.tokens, head, row % self.tokens]
