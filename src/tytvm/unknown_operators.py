"""Operators without a kernel, as a sentence: what they compute, and in which modules of the model."""

from __future__ import annotations

from collections.abc import Sequence

from torch import fx

from tyllm_base.errors import UnsupportedError

COMPUTES = {
    "complex numbers": ("view_as_complex", "view_as_real", "polar", "complex", "real", "imag"),
    "running sums": ("cumsum", "logcumsumexp", "cumprod"),
    "a convolution": ("convolution", "conv1d", "conv2d", "conv3d", "unfold", "im2col"),
    "a Fourier transform": ("fft_rfft", "fft_irfft", "fft_fft", "_fft_r2c", "_fft_c2r", "_fft_c2c"),
    "sorted or counted values": ("sort", "argsort", "bincount", "histc", "unique", "_unique2", "kthvalue"),
    "rows that differ in number": ("_grouped_mm", "nonzero", "masked_select", "repeat_interleave"),
    "random numbers": ("rand", "randn", "bernoulli", "multinomial", "dropout", "normal"),
}
"""What a reader calls it, and the names of ATen's operators for it."""
LONGEST = 120  # characters of a foreign message, whose end tells most
NAMES = {name: what for what, names in COMPUTES.items() for name in names}


def refusal(nodes: Sequence[fx.Node]) -> UnsupportedError:
    """The refusal of a model that computes `nodes`, which nobody can translate."""
    found: dict[str, set[str]] = {}
    for node in nodes:
        what = NAMES.get(node.target.__name__.partition(".")[0], "")
        found.setdefault(what, set()).add(f"{node.target}{_place(node)}")
    said = [_described(what, ", ".join(sorted(names))) for what, names in sorted(found.items(), reverse=True)]
    return UnsupportedError(f"The model computes {', '.join(said)}, for which there is no kernel.")


def untranslated(node: fx.Node, error: Exception) -> UnsupportedError:
    """The refusal of a model of which one node's converter raised `error`."""
    reason = " ".join(str(error).split())[-LONGEST:] or type(error).__name__
    return UnsupportedError(
        f"The model computes {node.target}{_place(node)} in a way that cannot be translated (… {reason}); such "
        "modeling code is not supported."
    )


def _place(node: fx.Node) -> str:
    """Such as " in LlamaRotaryEmbedding"."""
    modules = list((node.meta.get("nn_module_stack") or {}).values())
    return f" in {str(modules[-1][1]).rpartition('.')[2]}" if modules else ""


def described(name: str, exactly: str) -> str:
    """What the operator `name` computes, with the exact words behind it; these alone where nothing is known of it."""
    return _described(NAMES.get(name, ""), exactly)


def _described(what: str, exactly: str) -> str:
    return f"{what} ({exactly})" if what else exactly
