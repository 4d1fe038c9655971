"""The rotary positions of a vision-language model (M-RoPE), captured as a program of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tytvm.capture import Capture, capture

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class RotaryPositions(torch.nn.Module):  # type: ignore[misc]
    """Positions to the cosines and sines that the decoder's layers rotate by."""

    def __init__(self, rotary: torch.nn.Module) -> None:
        super().__init__()
        self.rotary = rotary

    def forward(self, positions: torch.Tensor) -> torch.Tensor:
        """int32 [3, n] (time, row, column) → cosines and sines, float32 [n, 2, head_dim / 2]."""
        cos, sin = self.rotary(torch.empty(0, device=positions.device), positions.unsqueeze(1))
        half = cos.shape[-1] // 2
        return torch.stack([cos[0, :, :half], sin[0, :, :half]], dim=1)


def capture_rotary(model: PreTrainedModel, tokens: int) -> Capture:
    """The graph that computes the rotary positions of so many tokens; its input is `positions`, int32 [3, tokens]."""
    module = RotaryPositions(language_model_of(model).rotary_emb)
    return capture(module, {"positions": torch.zeros(3, tokens, dtype=torch.int32, device="meta")})


def language_model_of(model: PreTrainedModel) -> PreTrainedModel:
    """The decoder of a vision-language model."""
    return model.model.language_model
