"""A step of a vision-language model's decoder, captured: embeddings and rows of the rotary table in, logits out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import torch

from tyllm.llm.vision.rotary_positions import language_model_of
from tyllm.package.step_shape import StepShape
from tytvm.capture import Capture, capture

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class _GivenRotary(torch.nn.Module):  # type: ignore[misc]
    """Stands for the decoder's rotary embedding: gives what was computed before, whatever the positions."""

    def __init__(self) -> None:
        super().__init__()
        self.given = SimpleNamespace()  # export takes a tensor that is set on the module itself for a mistake

    def forward(self, x: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines, each float32 [1, S, head_dim]."""
        table = self.given.table
        doubled = torch.cat([table, table], dim=-1).unsqueeze(0)
        return doubled[:, :, 0], doubled[:, :, 1]


class _DecoderStep(torch.nn.Module):  # type: ignore[misc]
    """The decoder as one step."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.rotary = language_model_of(model).rotary_emb = _GivenRotary()

    def forward(self, embeddings: torch.Tensor, rope_param: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
        """Embeddings [1, S, hidden], rotary rows [S, 2, head_dim / 2] → logits [1, R, vocabulary] of rows `row` [R]."""
        self.rotary.given.table = rope_param
        positions = torch.zeros(3, 1, embeddings.shape[1], dtype=torch.int64, device=embeddings.device)
        language = language_model_of(self.model)
        hidden = language(inputs_embeds=embeddings, position_ids=positions, use_cache=False).last_hidden_state
        logits: torch.Tensor = self.model.get_output_embeddings()(hidden[:, row])
        return logits


def capture_decoder_step(model: PreTrainedModel, shape: StepShape, logit_rows: int) -> Capture:
    """The graph of a step of S embeddings; its weights have the names that they have in `model`.

    Its inputs are `embeddings`, float32 [1, S, hidden], `rope_param`, float32 [S, 2, head_dim / 2], and `row`, int64
    [`logit_rows`].
    """
    seq_len = shape.tokens
    text = model.config.get_text_config()
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    rotary = language_model_of(model).rotary_emb
    with torch.device("meta"):
        inputs = {
            "embeddings": torch.zeros(1, seq_len, text.hidden_size),
            "rope_param": torch.zeros(seq_len, 2, head_dim // 2),
            "row": torch.zeros(logit_rows, dtype=torch.int64),
        }
    try:
        return capture(_DecoderStep(model), inputs, type(model).__name__).within("model.")
    finally:
        language_model_of(model).rotary_emb = rotary
