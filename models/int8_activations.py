"""The cost of int8 activations: each linear layer's input rounded by groups, against inputs left as they are.

    python models/int8_activations.py out/quickstart/tyllm-7m-awq [--tokens 8192]

The checkpoint may be AWQ's or float. For each size of group, with and without a zero point, it prints perplexity, how
much higher it is than with float activations, mean KL divergence from those, and how often both find the same token
likeliest.
"""

import argparse
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measure import HELD_OUT, score, tokens_of, windows_of

GROUPS = (32, 64, 128)


def symmetric(x: torch.Tensor, group: int) -> torch.Tensor:
    """`x` (..., columns) rounded to int8 codes whose scale, max|x| / 127, `group` neighbors share."""
    grouped = x.unflatten(-1, (-1, group))
    step = (grouped.abs().amax(-1, keepdim=True) / 127).clamp(min=1e-30)
    return ((grouped / step).round() * step).flatten(-2)


def asymmetric(x: torch.Tensor, group: int) -> torch.Tensor:
    """The same with a zero point in each group too, an integer: 255 steps from the least value, or 0, to the most."""
    grouped = x.unflatten(-1, (-1, group))
    low = grouped.amin(-1, keepdim=True).clamp(max=0)
    high = grouped.amax(-1, keepdim=True).clamp(min=0)
    step = ((high - low) / 255).clamp(min=1e-30)
    zero = (-low / step).round()
    codes = ((grouped / step).round() + zero).clamp(0, 255)
    return ((codes - zero) * step).flatten(-2)


def with_rounded_inputs(model: Any, rounded: Callable[[torch.Tensor, int], torch.Tensor], group: int) -> Any:
    """A copy of `model` whose linear layers round what they read; it shares the weights."""
    other = copy.deepcopy(model, {id(parameter): parameter for parameter in model.parameters()})
    for module in other.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(lambda _, arguments: (rounded(arguments[0], group),))
    return other


def main() -> None:
    """Reads the command line and prints a table."""
    from transformers import AutoTokenizer

    from awq.stream.dequantize import load_dequantized

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--tokens", type=int, default=1 << 20, help="of held-out text at most")
    given = parser.parse_args()
    model = load_dequantized(given.checkpoint)
    ids = tokens_of(AutoTokenizer.from_pretrained(given.checkpoint), HELD_OUT)[: given.tokens]
    print(f"{given.checkpoint}, {windows_of(ids).numel()} tokens   perplexity   higher by  KL (nats)  same top-1")
    plain = score(model, model, ids)
    print(f"{'float activations':30}{plain.perplexity:12.4f}")
    for rounded in (symmetric, asymmetric):
        for group in GROUPS:
            found = score(with_rounded_inputs(model, rounded, group), model, ids)
            higher = found.perplexity / plain.perplexity - 1
            name = f"{rounded.__name__}, {group}"
            print(f"{name:30}{found.perplexity:12.4f}{higher:12.3%}{found.divergence:11.6f}{found.agreement:12.2%}")


if __name__ == "__main__":
    main()
