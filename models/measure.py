"""Perplexity of a checkpoint on held-out text: as stored, and with its linear layers rounded to INT4 in two ways.

    python models/measure.py models/tyllm-7m

prints for each perplexity, mean KL divergence from the stored model, and how often both find the same token likeliest.
"""

import argparse
import copy
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from activation_aware import quantize_activation_aware
from rounding import quantize_linears

CALIBRATION_WINDOWS = 16
HELD_OUT = Path(__file__).with_name("heldout.txt")
WINDOW = 512  # tokens scored together; the first of a window is never scored


@torch.no_grad()
def loss_on(model: Any, ids: torch.Tensor, window: int = WINDOW, batch: int = 16) -> float:
    """Mean negative log-likelihood per token (nats) over whole, disjoint windows.

    Args:
        model: Causal language model of transformers.
        ids: (tokens,) token ids; a rest shorter than a window is left out.
        window: Tokens seen together.
        batch: Windows at a time.
    """
    losses = []
    for rows in windows_of(ids, window).split(batch):
        logits = model(rows.to(model.device)).logits[:, :-1].float()
        losses.append(F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten().to(model.device), reduction="none"))
    return float(torch.cat(losses).mean())


@dataclass(frozen=True)
class Score:
    """A model beside the one it was made from: `divergence` in nats a token, `agreement` a share of the tokens."""

    perplexity: float
    divergence: float
    agreement: float


@torch.no_grad()
def score(model: Any, reference: Any, ids: torch.Tensor, window: int = WINDOW, batch: int = 4) -> Score:
    """Perplexity of `model` on `ids` (tokens,), and its KL divergence from and top-1 agreement with `reference`."""
    parts = []
    for rows in windows_of(ids, window).split(batch):
        true, ours = (m(rows).logits[:, :-1].float().log_softmax(-1).flatten(0, 1) for m in (reference, model))
        loss = F.nll_loss(ours, rows[:, 1:].flatten(), reduction="none")
        divergence = (true.exp() * (true - ours)).sum(-1)
        parts.append(torch.stack([loss, divergence, (true.argmax(-1) == ours.argmax(-1)).float()]))
    loss, divergence, agreement = torch.cat(parts, 1).double().mean(1).tolist()
    return Score(math.exp(loss), divergence, agreement)


def windows_of(ids: torch.Tensor, window: int = WINDOW) -> torch.Tensor:
    """(windows, window) whole, disjoint windows of (tokens,) ids; a rest shorter than a window is left out."""
    return ids[: len(ids) // window * window].reshape(-1, window)


def load(checkpoint: Path) -> tuple[Any, Any]:
    """The model in float32, ready to evaluate, and its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(checkpoint)


def tokens_of(tokenizer: Any, text: Path) -> torch.Tensor:
    """(tokens,) ids of a text file."""
    return torch.tensor(tokenizer(text.read_text(encoding="utf-8"), verbose=False)["input_ids"])


def main() -> None:
    """Reads the command line and prints a table."""
    from awq.calibration.tokens import calibration_samples

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    model, tokenizer = load(parser.parse_args().checkpoint)
    ids = tokens_of(tokenizer, HELD_OUT)
    calibration = calibration_samples(None, tokenizer, CALIBRATION_WINDOWS, WINDOW, len(tokenizer))
    nearest, aware = copy.deepcopy(model), copy.deepcopy(model)
    quantize_linears(nearest)
    quantize_activation_aware(aware, calibration)
    print(f"{windows_of(ids).numel()} tokens of held-out text      perplexity  KL (nats)  same top-1")
    names = ("as stored", "INT4, nearest", "INT4, activation-aware scales")
    for name, other in zip(names, (model, nearest, aware), strict=True):
        found = score(other, model, ids)
        print(f"{name:36}{found.perplexity:10.3f}{found.divergence:11.4f}{found.agreement:12.1%}")


if __name__ == "__main__":
    main()
