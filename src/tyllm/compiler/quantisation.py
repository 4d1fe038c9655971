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
        SettingError: round-to-nearest is asked for on an INT4 checkpoint, or the group size does not divide.
        CheckpointError: the config says AWQ and no tensor is.
    """
    linears = {f"{name}.weight": m.in_features for name, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
    config = checkpoint.quantization
    if config is None:
        if settings.quantize is None:
            return Quantisation(None, settings.group_size, frozenset())
        return _checked(Quantisation("rtn", settings.group_size, frozenset(linears)), linears)
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
    return _checked(Quantisation("awq", int(config.get("group_size", 128)), packed), linears)


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


def _checked(quantisation: Quantisation, linears: dict[str, int]) -> Quantisation:
    for name in sorted(quantisation.names):
        inputs = linears[name]
        if inputs % quantisation.group_of(inputs):
            raise SettingError(
                f"The group size {quantisation.group_size} does not divide the {inputs} inputs of {name}; "
                "use one that does."
            )
    return quantisation


def untie_head(model: Any, quantisation: Quantisation) -> None:
    """Give a quantised head a weight of its own: the embedding that it was tied to stays float16."""
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    names = {id(module): name for name, module in model.named_modules()}
    if head.weight is table.weight and f"{names[id(head)]}.weight" in quantisation.names:
        head.weight = torch.nn.Parameter(torch.empty_like(table.weight), requires_grad=False)
