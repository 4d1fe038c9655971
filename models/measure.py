"""Perplexity of a checkpoint on held-out text, as it is and with its linear layers rounded to INT4.

python models/measure.py models/tyllm-7m            # prints one line each for float and round-to-nearest
"""

import argparse
import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

HELD_OUT = Path(__file__).with_name("heldout.txt")
WINDOW = 512  # tokens scored together; the first of a window is never scored


def round_to_nearest(weight: torch.Tensor, group: int = 128, bits: int = 4) -> torch.Tensor:
    """The values that asymmetric round-to-nearest quantisation leaves of a weight.

    Args:
        weight: (rows, columns); `columns` is a multiple of `group`.
        group: Columns that share a scale and a zero point.
        bits: Width of a code.

    Returns:
        (rows, columns) in the type of `weight`: (code − zero) · scale.
    """
    top = 2**bits - 1
    groups = weight.float().reshape(-1, group)
    low = groups.amin(1, keepdim=True).clamp(max=0)
    high = groups.amax(1, keepdim=True).clamp(min=0)
    scale = ((high - low) / top).clamp(min=1e-10)
    zero = (-low / scale).round()
    codes = ((groups / scale).round() + zero).clamp(0, top)
    return ((codes - zero) * scale).reshape(weight.shape).to(weight.dtype)


@torch.no_grad()
def quantise_linears(model: Any, group: int = 128, lm_head: bool = False) -> None:
    """Rounds every linear layer of `model` in place; `lm_head` only where asked, and then apart from the embedding."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and (lm_head or name != "lm_head"):
            module.weight = torch.nn.Parameter(round_to_nearest(module.weight, group), requires_grad=False)


@torch.no_grad()
def loss_on(model: Any, ids: torch.Tensor, window: int = WINDOW, batch: int = 16) -> float:
    """Mean negative log-likelihood per token (nats) over whole, disjoint windows.

    Args:
        model: Causal language model of transformers.
        ids: (tokens,) token ids; a rest shorter than a window is left out.
        window: Tokens seen together.
        batch: Windows at a time.
    """
    windows = ids[: len(ids) // window * window].reshape(-1, window)
    losses = []
    for rows in windows.split(batch):
        logits = model(rows.to(model.device)).logits[:, :-1].float()
        losses.append(F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten().to(model.device), reduction="none"))
    return float(torch.cat(losses).mean())


def load(checkpoint: Path) -> tuple[Any, torch.Tensor]:
    """The model in float32, ready to evaluate, and the held-out text in its tokens."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    text = HELD_OUT.read_text(encoding="utf-8")
    return model, torch.tensor(tokenizer(text, verbose=False)["input_ids"])


def main() -> None:
    """Reads the command line and prints the perplexities."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    model, ids = load(parser.parse_args().checkpoint)
    print(f"tokens                      {len(ids) // WINDOW * WINDOW}")
    print(f"as stored                   {math.exp(loss_on(model, ids)):8.3f}")
    quantise_linears(model)
    print(f"INT4 round-to-nearest       {math.exp(loss_on(model, ids)):8.3f}")
    quantise_linears(model, lm_head=True)
    print(f"INT4, lm_head too           {math.exp(loss_on(model, ids)):8.3f}")


if __name__ == "__main__":
    main()
