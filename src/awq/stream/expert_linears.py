"""A layer's experts as the linear layers that they are, so that they are read and quantized one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.expert_stack import BIAS, ExpertRows
from hf_checkpoint.experts import DOWN, GATE_UP, expert_modules, form_of, parts_of, rows_apart

Gate = Callable[[torch.Tensor], torch.Tensor]
"""Of gate and up side by side, [n, 2 · width] → [n, width]."""


class ExpertLinears(nn.Module):  # type: ignore[misc]  # torch gives no types here
    """The experts of a layer: gate, up and down of each, under the names that the checkpoint has for them."""

    def __init__(
        self, gate: Gate, linears: list[tuple[str, str, str]], hidden: int, width: int, has_biases: bool = False
    ) -> None:
        """Without values.

        Args:
            gate: between the two layers.
            linears: names of gate, up and down of each expert, such as "17.gate_proj"; kept under that name.
            hidden: inputs of gate and up.
            width: inputs of down.
            has_biases: whether each linear layer has a bias.
        """
        super().__init__()
        self._gate, self.linears = gate, linears
        for gate_name, up, down in linears:
            for name, inputs, outputs in ((gate_name, hidden, width), (up, hidden, width), (down, width, hidden)):
                number, _, part = name.rpartition(".")
                if number not in self._modules:
                    self.add_module(number, nn.Module())
                self.get_submodule(number).add_module(part, nn.Linear(inputs, outputs, bias=has_biases, device="meta"))

    def forward(self, hidden: torch.Tensor, chosen: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Of hidden states [T,H], the numbers of chosen experts and their weights [T,K]: [T,H]."""
        total = torch.zeros_like(hidden)
        for number in chosen.unique().tolist():
            rows, choice = torch.where(chosen == number)
            outputs = self.expert(number, hidden[rows])
            total.index_add_(0, rows, outputs * weights[rows, choice, None])
        return total

    def expert(self, number: int, x: torch.Tensor) -> torch.Tensor:
        """What one expert makes of its tokens [n,H]: [n,H]."""
        outputs: torch.Tensor = self.get_submodule(self.linears[number][2])(self.middle(number, x))
        return outputs

    def middle(self, number: int, x: torch.Tensor) -> torch.Tensor:
        """What the down layer of an expert reads, [n,width], of tokens [n,H]."""
        gate, up, _ = (self.get_submodule(name) for name in self.linears[number])
        return self._gate(torch.cat([gate(x), up(x)], dim=-1))

    def first_alone(self, hidden: torch.Tensor, chosen: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """In the place of `forward`: the first expert for all tokens, and each token's largest weight beside it."""
        return self.expert(0, hidden) + weights.amax(-1, keepdim=True)


def experts_in(layer: nn.Module) -> dict[str, ExpertLinears]:
    """The mixtures of experts of a decoder layer, by their names within it."""
    return {name: module for name, module in layer.named_modules() if isinstance(module, ExpertLinears)}


def linear_routers(layer: nn.Module) -> set[str]:
    """The linear layers beside experts that have an output for each: routers, which stay float as others do."""
    return {
        found
        for name, experts in experts_in(layer).items()
        for found, module in layer.named_modules()
        if isinstance(module, nn.Linear)
        and module.out_features == len(experts.linears)
        and found.startswith(name.rpartition(".")[0])
        and not found.startswith(f"{name}.")
    }


def separate_experts(model: nn.Module, checkpoint: Checkpoint) -> Checkpoint:
    """Put `ExpertLinears` in the place of experts whose linear layers can be read one by one.

    Returns:
        The checkpoint, which knows the weights of linear layers that it has in one tensor for all experts.
    """
    found: dict[str, ExpertRows] = {}
    for name, module in expert_modules(model).items():
        stacks = {part: checkpoint.stacks[f"{name}.{part}"] for part in parts_of(module)}
        rows = {part: rows_apart(name, part, stack) for part, stack in stacks.items()}
        both, last = ([_own_name(each, name) for each in rows[part]] for part in (GATE_UP, DOWN))
        if _is_plain(module) and (len(both), len(last)) == (2 * stacks[DOWN].shape[0], stacks[DOWN].shape[0]):
            sizes = stacks[GATE_UP].shape[2], stacks[DOWN].shape[2]
            linears = list(zip(both[::2], both[1::2], last, strict=True))
            apart = ExpertLinears(_gate(module), linears, *sizes, has_biases=GATE_UP + BIAS in stacks)
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, apart)
            found |= {own: each for part in rows.values() for own, each in part.items() if each is not None}
    return replace(checkpoint, rows=found)


def _is_plain(module: nn.Module) -> bool:
    """Whether nothing else belongs to the experts."""
    return {name for name, _ in module.named_parameters()} == {*parts_of(module)} and hasattr(module, "_apply_gate")


def _gate(module: nn.Module) -> Gate:
    """The gate of a module, of gate and up side by side where its own code has them in turns."""
    if not form_of(module, GATE_UP).is_interleaved:
        gate: Gate = module._apply_gate
        return gate
    return lambda both: module._apply_gate(both.unflatten(-1, (2, -1)).transpose(-1, -2).flatten(-2))


def _own_name(tensor: str, module: str) -> str:
    """The name of a linear layer within the module of the experts."""
    return tensor.removeprefix(f"{module}.").removesuffix(".weight")
