"""One die's model: Hugging Face's own code on the meta device, its weights cut to the die's shapes, captured."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from hf_checkpoint.model_on_meta import build_on_meta, fill_buffers
from hf_checkpoint.tied_weights import first_names
from tyllm.build.tensor_parallel import ModelSharding
from tyllm.build.weight_formats import local_shape
from tyllm.llm.attention import CHUNKED, IMPLEMENTATION, register
from tyllm.llm.cache_numbers import count_caches
from tyllm.llm.experts import use_operator
from tyllm.llm.own_attention import OwnAttention, recognize, replace
from tyllm.llm.own_positions import use_positions
from tyllm.package.step_shape import StepShape
from tyllm_base.errors import UnsupportedError
from tytvm.capture import Capture, capture

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from hf_checkpoint.checkpoint import Checkpoint

CHUNK_SIZE = "attention_chunk_size"
OWN = "own_attentions"
"""Attribute of a model whose code computes attention itself: what `recognize` found."""
COUNTED = "counted_positions"
"""Attribute of a model whose code counts positions itself: where."""
MANY, MOST = 64, 4096
"""Tokens beyond any window of the step in which attention is recognized, and of that step: its masks are made whole."""
FAR = 300
"""Tokens of a step that shows whether slopes are exact: Falcon's ALiBi is of bfloat16, which rounds from 256 on."""


def build_model(checkpoint: Checkpoint, trust_remote_code: bool) -> PreTrainedModel:
    """The model of a checkpoint on the meta device, with real values in its buffers.

    Raises:
        UnsupportedError: transformers does not know the model, or attention or experts want what cannot be compiled.
    """
    register()
    model = build_on_meta(checkpoint, trust_remote_code)
    text = model.config.get_text_config()
    if getattr(text, CHUNK_SIZE, None) and CHUNKED not in (getattr(text, "layer_types", None) or ()):
        raise UnsupportedError(
            f"config.json sets {CHUNK_SIZE} to {getattr(text, CHUNK_SIZE)} and no layer_types, so that it is not known "
            f'which layers\' attention it is for; name them there ("{CHUNKED}"), or remove it if there are none.'
        )
    model.set_attn_implementation(IMPLEMENTATION)
    use_operator(model)
    for module in model.modules():
        fill_buffers(model, module, torch.device("cpu"))
        if isinstance(module, torch.nn.Embedding):
            module.padding_idx = None  # matters to training alone, and forbids a cut embedding
    if text._attn_implementation != IMPLEMENTATION:  # transformers itself left it as it was, with a warning
        setattr(model, OWN, _recognized(model))
    return model


def _recognized(model: PreTrainedModel) -> tuple[OwnAttention, ...]:
    """What the attentions of a model do that does not use transformers' interface; raises `UnsupportedError`."""
    text = model.config.get_text_config()
    step = partial(_captured, model, logit_rows=1, takes_embeddings=False, takes_positions=True)
    found = recognize(step(seq_len=tokens_recognized(text)))
    if any(own.slopes for own in found):
        recognize(step(seq_len=min(FAR, getattr(text, "max_seq_len", FAR))))
    if len(found) != text.num_hidden_layers:
        raise UnsupportedError(
            f"{type(model).__name__} computes attention in code of its own, of which {len(found)} are recognized in "
            f"{text.num_hidden_layers} layers; choose a model that uses transformers' attention interface."
        )
    return found


def tokens_recognized(text: PreTrainedConfig) -> int:
    """Tokens of a step that shows whatever window a config names, if its positions reach so far.

    Raises:
        UnsupportedError: the window is longer than can be recognized.
    """
    named = {name: value for name, value in text.to_dict().items() if "window" in name and type(value) is int}
    name, window = max(named.items(), key=lambda item: item[1], default=("", 0))
    limits = (getattr(text, limit, None) for limit in ("max_position_embeddings", "max_seq_len"))
    tokens = min(window + MANY, *(limit for limit in limits if limit and limit > 0), MOST + 1)
    if tokens > MOST:
        raise UnsupportedError(
            f"{type(text).__name__} has {name} = {window}, and in code of a model's own windows up to {MOST - MANY} "
            "are recognized; choose a model that uses transformers' attention interface."
        )
    return int(tokens)


class _Step(torch.nn.Module):  # type: ignore[misc]
    """The model as one step: token ids or embeddings and positions in, logits of some rows out."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        row: torch.Tensor,
        positions: torch.Tensor | None = None,
        tokens: torch.Tensor | None = None,
        embeddings: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Logits [1, R, vocabulary] of the rows `row` [R]."""
        result = self.model(
            input_ids=tokens, inputs_embeds=embeddings, position_ids=positions, logits_to_keep=row, use_cache=False
        )
        logits: torch.Tensor = result.logits
        return logits


def capture_step(
    model: PreTrainedModel, shape: StepShape, logit_rows: int, takes_embeddings: bool, takes_positions: bool = True
) -> Capture:
    """The graph of a step, with the logits of so many rows; its weights have the names that they have in `model`.

    Attention alone mixes tokens, as `step_guard.py` makes sure, and is one operator: a batch is traced like as many
    tokens of one sequence. Without `takes_positions` the model numbers them itself.
    """
    captured = _captured(model, shape.tokens, logit_rows, takes_embeddings, takes_positions)
    if own := getattr(model, OWN, ()):
        replace(captured, own)
    if takes_positions and (places := getattr(model, COUNTED, ())):
        use_positions(captured, places)
    count_caches(captured)
    return captured


def _captured(
    model: PreTrainedModel, seq_len: int, logit_rows: int, takes_embeddings: bool, takes_positions: bool
) -> Capture:
    """The graph of a step of so many tokens, as the model's code has it."""
    hidden = model.get_input_embeddings().weight.shape[1]
    with torch.device("meta"):
        inputs = {"positions": torch.zeros(1, seq_len, dtype=torch.int64)} if takes_positions else {}
        inputs["row"] = torch.zeros(logit_rows, dtype=torch.int64)
        if takes_embeddings:
            inputs["embeddings"] = torch.zeros(1, seq_len, hidden)
        else:
            inputs["tokens"] = torch.zeros(1, seq_len, dtype=torch.int64)
    return capture(_Step(model), inputs, type(model).__name__).within("model.")


def cut_to_die(model: PreTrainedModel, shapes: dict[str, tuple[int, ...]], sharding: ModelSharding, die: int) -> None:
    """Give the parameters of `model` (in place) the shapes that they have on `die`.

    Args:
        model: on the meta device.
        shapes: the whole shapes, by name, in `named_parameters` order without duplicates removed.
        sharding: which part of each parameter every die holds.
        die: which die.
    """
    made: dict[str, torch.nn.Parameter] = {}
    tied = first_names(model)
    for name, shape in shapes.items():
        module = model.get_submodule(name.rpartition(".")[0])
        first = tied[name]
        if first not in made:
            made[first] = torch.nn.Parameter(
                torch.empty(local_shape(shape, sharding.of(name), die), device="meta"), requires_grad=False
            )
        setattr(module, name.rpartition(".")[2], made[first])
