"""The least work of a package: bytes read for a token, products with its weights for a prompt."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tyllm.package import Package
from tyllm.package.program_cost import ProgramCost
from tyllm.package.step_shape import StepShape
from tyllm.runtime.step.prefill_chunks import cover


@dataclass(frozen=True)
class Work:
    """A package and what one run of its programs does."""

    package: Package
    programs: ProgramCost

    @classmethod
    def of(cls, package: Package) -> Work:
        """Read program.json; raises `PackageError`."""
        return cls(package, ProgramCost.of(package))

    def bytes_of_a_token(self, context: float) -> float:
        """Bytes that decoding a token reads: the weights, and the cache's rows of `context` tokens."""
        buffers = self.package.buffers
        (chunk,) = cover(1, buffers.seq_lens, buffers.kv_capacity)
        cache = sum(die.kv_bytes for die in buffers.dies) / buffers.kv_capacity
        return self.programs.weight_bytes(StepShape(1, chunk.seq_len)) + cache * context

    def operations_of_a_prompt(self, tokens: int, depth: int) -> dict[str, int]:
        """Multiplications and additions with the weights, by type of the factors, what padding does left out.

        Args:
            tokens: of the prompt.
            depth: tokens that the cache holds before it.
        """
        total: Counter[str] = Counter()
        chunks = cover(tokens, self.package.buffers.seq_lens, self.package.buffers.kv_capacity - depth)
        for chunk in chunks:
            for kind, count in self.programs.products(StepShape(1, chunk.seq_len), "body").items():
                total[kind] += round(count * chunk.count / chunk.seq_len)
        return dict(total + self.programs.products(StepShape(1, chunks[-1].seq_len), "head"))
