"""Another program's greedy tokens held against those of the judge, which computes in float32."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from baselines.harness import markdown as md

TIE = 0.05  # nats between two logits that float16 arithmetic may swap


@dataclass(frozen=True)
class Comparison:
    """The opener's tokens compared with the judge's.

    Attributes:
        folder: the quantized folder's name.
        opener: the program that opened it.
        dtype: the type that it computed in.
        same: tokens before the first difference of each prompt.
        total: tokens of all prompts.
        gaps: at each first difference, nats from the judge's best token to the opener's.
        logprobs_apart: greatest difference of two log-probabilities before it.
        note: what the opener said of the head.
        error: why there are no tokens.
    """

    folder: str
    opener: str
    dtype: str
    same: int = 0
    total: int = 0
    gaps: tuple[float, ...] = ()
    logprobs_apart: float = 0.0
    note: str = ""
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing differs but at ties."""
        return not self.error and all(gap <= TIE for gap in self.gaps)


@torch.no_grad()
def judge_logits(model: Any, prompts: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """The judge's log-probabilities of what follows, before each token that the opener chose.

    Args:
        model: causal language model of transformers, float32.
        prompts: (prompts, length) token ids.
        tokens: (prompts, new) token ids.

    Returns:
        (prompts, new, vocabulary) float32.
    """
    logits = model(torch.cat([prompts, tokens], 1)).logits[:, prompts.shape[1] - 1 : -1]
    return logits.float().log_softmax(-1)


def compared(opened: Comparison, judged: torch.Tensor, tokens: torch.Tensor, logprobs: torch.Tensor) -> Comparison:
    """`opened` with the comparison.

    Up to the first difference both went on from the same text, and there the judge's own greedy choice is known; what
    comes after it is not counted.

    Args:
        opened: folder, opener and type.
        judged: (prompts, new, vocabulary) the judge's log-probabilities.
        tokens: (prompts, new) the opener's choices.
        logprobs: (prompts, new) the opener's log-probability of each.
    """
    best = judged.max(-1)
    mine = judged.gather(-1, tokens[..., None])[..., 0]
    differs = (best.indices != tokens).int()
    before = differs.cumsum(1) == 0
    first = [int(row.argmax()) for row in differs]
    gaps = tuple(float(best.values[i, j] - mine[i, j]) for i, j in enumerate(first) if differs[i, j])
    apart = float(((logprobs - mine).abs() * before).max())
    return replace(opened, same=int(before.sum()), total=tokens.numel(), gaps=gaps, logprobs_apart=apart)


def markdown(results: Sequence[Comparison]) -> str:
    """A table, a row for each folder and opener."""
    rows = [["folder", "opened by", "same greedy tokens", "gaps where not", "log-probabilities apart", "note"]]
    for found in results:
        figures = ["–"] * 3
        if not found.error:
            gaps = ", ".join(f"{gap:.4f}" for gap in found.gaps) or "none"
            figures = [f"{found.same} of {found.total}", gaps, f"{found.logprobs_apart:.4f}"]
        rows.append([found.folder, f"{found.opener} {found.dtype}", *figures, found.error or found.note])
    return md.table(rows)
