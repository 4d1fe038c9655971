"""What of a checkpoint is INT4: by its `quantization_config` and its tensors, or by the wish of `--quantize rtn`."""

from __future__ import annotations

from typing import Any

import torch

from tyllm.compiler.settings import Settings
from tyllm.compiler.weight_formats import Quantisation
from tyllm.errors import CheckpointError, SettingError, UnsupportedError

PACKED = ".qweight"
PARTS = ("qweight", "qzeros", "scales")
"""Tensors of a packed linear layer, in AutoAWQ's names."""


def find_quantisation(model: Any, checkpoint: Any, settings: Settings) -> Quantisation:
    """The quantisation of an `awq.checkpoint.Checkpoint` for the model built from it.

    Raises:
        UnsupportedError: a format other than AWQ's GEMM with 4 bits.
        SettingError: round-to-nearest is asked for on an INT4 checkpoint, or its group size does not divide.
        CheckpointError: the config says AWQ and no tensor is, or its group size cannot be that of the weights.
    """
    linears = {f"{name}.weight": m.in_features for name, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    config = checkpoint.quantization
    if config is None:
        if settings.quantize is None:
            return Quantisation(None, settings.group_size, frozenset())
        quantisation = Quantisation("rtn", settings.group_size, frozenset(linears))
        if name := _undivided(quantisation, linears):
            raise SettingError(
                f"The group size {settings.group_size} does not divide the {linears[name]} inputs of {name}; "
                f"{_cure(linears)}."
            )
        return quantisation
    if settings.quantize:
        raise SettingError(
            f"{checkpoint.path} is quantised already ({config.get('quant_method')}); "
            f"leave out --quantize {settings.quantize}."
        )
    _refuse_unknown(config)
    packed = frozenset(name for name in linears if f"{name.removesuffix('.weight')}{PACKED}" in checkpoint)
    if not packed:
        raise CheckpointError(
            f"{checkpoint.path} says that it is AWQ INT4, and no tensor of it is; quantise the model again."
        )
    quantisation = Quantisation("awq", _group_size(config), packed)
    if name := _undivided(quantisation, linears):
        raise CheckpointError(
            f"config.json says groups of {quantisation.group_size}, which do not divide the {linears[name]} inputs of "
            f"{name}; the config and the weights belong to different models."
        )
    return quantisation


def _group_size(config: dict[str, Any]) -> int:
    found = config.get("group_size", config.get("q_group_size", 128))
    if not isinstance(found, int) or (found < 1 and found != -1):
        raise CheckpointError(
            f"config.json says group_size {found!r}, which is no group size; download or quantise the model again."
        )
    return found


def _refuse_unknown(config: dict[str, Any]) -> None:
    method, version, bits = (
        config.get("quant_method"),
        str(config.get("version", "gemm")).lower(),
        config.get("bits", config.get("w_bit")),
    )
    if method != "awq" or version != "gemm" or bits != 4:
        raise UnsupportedError(
            f"The checkpoint is quantised as {method} {version} with {bits} bits; "
            "only awq gemm with 4 bits can be compiled: quantise the float checkpoint with `tyllm quantize`."
        )


def _cure(linears: dict[str, int]) -> str:
    """What to do where a group size does not divide."""
    good = [str(size) for size in (128, 64, 32) if not any(inputs % size for inputs in linears.values())]
    return f"use {' or '.join(good)}" if good else "compile the model without --quantize"


def _undivided(quantisation: Quantisation, linears: dict[str, int]) -> str | None:
    """A weight whose inputs the group size does not divide."""
    names = sorted(quantisation.names)
    return next((name for name in names if linears[name] % quantisation.group_of(linears[name])), None)


def untie_head(model: Any, quantisation: Quantisation) -> None:
    """Give a quantised head a weight of its own: the embedding that it was tied to stays float16."""
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    names = {id(module): name for name, module in model.named_modules()}
    if head.weight is table.weight and f"{names[id(head)]}.weight" in quantisation.names:
        head.weight = torch.nn.Parameter(torch.empty_like(table.weight), requires_grad=False)
