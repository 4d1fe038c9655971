"""How each parameter is stored: INT4 where the checkpoint (or round-to-nearest) has it, float16, or plain float32."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from hf_checkpoint.experts import expert_parameters
from tyllm.build.tensor_parallel import IN, OUT, ModelSharding, WeightSharding
from tytvm.weights import W4, W16, Plain, WeightFormat

SMALLEST_GROUP = 32
"""INT4 groups that a kernel takes are multiples of this."""


@dataclass(frozen=True)
class Quantization:
    """The weights that are INT4.

    Attributes:
        method: "awq" or "compressed-tensors" (packed there), "rtn" (rounded now), None where all is float16.
        group_size: inputs that share a scale; −1 is one group over all inputs of a weight.
        names: linear weights (`….weight`) that are INT4.
        dequantized: linear weights that the checkpoint has with 8 bits, and that are stored as float16.
    """

    method: str | None
    group_size: int
    names: frozenset[str]
    dequantized: frozenset[str] = frozenset()

    @property
    def packed(self) -> frozenset[str]:
        """The weights whose codes are in the checkpoint."""
        return self.dequantized if self.method == "rtn" else self.names | self.dequantized

    def group_of(self, inputs: int) -> int:
        """The group size of a weight with so many inputs; −1 is one group over all."""
        return inputs if self.group_size == -1 else self.group_size


def formats(
    model: torch.nn.Module, sharding: ModelSharding, die: int, quantization: Quantization
) -> dict[str, WeightFormat]:
    """Every parameter's format on one die, by name, in the model's order."""
    linears = {
        id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Linear) or is_router(module)
    }
    stacks = expert_parameters(model)
    convolutions = {id(module.weight) for module in model.modules() if is_linear_convolution(module)}
    tables = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    found: dict[str, WeightFormat] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        own, full = sharding.of(name), tuple(parameter.shape)
        shape = local_shape(full, own, die)
        if name in stacks:
            matrix = (full[0] * full[1], full[2])
            found[name] = linear_format(name, matrix, (shape[0] * shape[1], shape[2]), own, quantization)
        elif id(parameter) in linears:  # a tied table too: it is stored once, as the head
            found[name] = linear_format(name, full, shape, own, quantization)
        elif id(parameter) in convolutions:
            found[name] = W16(shape[0], math.prod(shape[1:]))
        else:
            found[name] = Plain(shape, "float16" if id(parameter) in tables else "float32")
    return found


def is_router(module: torch.nn.Module) -> bool:
    """Whether a module has a matrix `weight` that is neither a linear layer's nor a table: a router of experts has.

    GPT-2's layers have one too, but with an input to each row, so that it is no linear layer's.
    """
    from transformers.pytorch_utils import Conv1D

    weight = module._parameters.get("weight")
    known = isinstance(module, torch.nn.Linear | torch.nn.Embedding | Conv1D)
    return not known and weight is not None and weight.ndim == 2


def is_linear_convolution(module: torch.nn.Module) -> bool:
    """Whether a convolution is a linear layer on patches side by side: its steps are as long as its kernel."""
    if not isinstance(module, torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.Conv3d):
        return False
    plain = module.groups == 1 and not any(p for p in module.padding if p) and set(module.dilation) == {1}
    return plain and tuple(module.stride) == tuple(module.kernel_size)


def local_shape(full: tuple[int, ...], sharding: WeightSharding, die: int) -> tuple[int, ...]:
    """A parameter's shape on one die."""
    if sharding.axis is None:
        return full
    if sharding.experts:
        experts, outputs, inputs = full
        is_out = sharding.axis == OUT
        return (experts, sharding.size(die) // experts, inputs) if is_out else (experts, outputs, sharding.size(die))
    return tuple(sharding.size(die) if axis == sharding.axis else size for axis, size in enumerate(full))


def linear_format(
    name: str, full: tuple[int, ...], shape: tuple[int, ...], sharding: WeightSharding, quantization: Quantization
) -> WeightFormat:
    """INT4 by groups that no die's span crosses, else float16 where those are too small; the same on every die."""
    if name not in quantization.names:
        return W16(*shape)
    group = quantization.group_of(full[IN])
    if sharding.axis == IN:
        group = math.gcd(group, *(edge for span in sharding.spans for edge in span))
    outputs, inputs = shape
    return W4(outputs, inputs, group) if group % SMALLEST_GROUP == 0 else W16(outputs, inputs)
