"""A checkpoint, float or quantized, run over text with one decoder layer in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPast

from awq.stream.activation_statistics import LayerArguments
from awq.stream.dequantize import check_readable, read_float
from awq.stream.head_rows import HeadRows
from awq.stream.layerwise_pass import layerwise_pass
from awq.stream.malloc_trim import trim_freed_memory
from awq.stream.meta_model import MetaModel
from hf_checkpoint.checkpoint import Checkpoint
from tyllm_base.progress import Advance

PASS_TOKENS = 8192  # tokens that go through the layers together; each pass reads all weights again
BATCH_TOKENS = 2048  # tokens that go through a layer at a time
BLOCK_VALUES = 1 << 26  # logits in memory at a time


@dataclass
class Decoded(BaseModelOutputWithPast):  # type: ignore[misc]  # transformers gives no types here
    """The decoder's output as every family's head looks for it."""

    rope_deltas: None = None  # of vision-language models
    router_logits: None = None  # of mixtures of experts


@dataclass(frozen=True)
class StreamedModel:
    """The predictions of a checkpoint in float32, in the memory of a layer and of `PASS_TOKENS` hidden states."""

    model: MetaModel

    @classmethod
    def open(cls, path: str | Path, device: str | None = None, trust_remote_code: bool = False) -> StreamedModel:
        """Open the folder `path`; reads no weight.

        Args:
            path: a float checkpoint, or one quantized in a format that this package writes.
            device: where to compute; a GPU if there is one.
            trust_remote_code: accept a config that names code of its own.

        Raises:
            CheckpointError: the folder is damaged, or quantized in another way.
            UnsupportedError: transformers does not know the model, or it is no decoder.
        """
        checkpoint = Checkpoint.open(path, trust_remote_code)
        check_readable(checkpoint)
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        return cls(MetaModel.build(checkpoint, place, trust_remote_code, read_float))

    @property
    def vocabulary(self) -> int:
        """The number of tokens that have a logit: V."""
        return int(self._head.out_features)

    @property
    def context(self) -> int | None:
        """The number of tokens that the model was made for, if its config says so."""
        return self.model.context

    def predictions(self, windows: torch.Tensor, advance: Advance) -> Iterator[torch.Tensor]:
        """Logits float32 [b, V] of the token after each of `windows` int64 [n, T] but the last of a window, in order.

        Args:
            windows: texts of equal length, none of which sees another.
            advance: called after each piece of work; its numbers add up to n · T.

        Raises:
            CheckpointError: a weight is NaN, infinite, beyond float16, or has another shape than config.json says.
        """
        block = max(1, BLOCK_VALUES // self.vocabulary)
        for part in windows.split(max(1, PASS_TOKENS // windows.shape[1])):
            hidden = self.hidden_states(part, advance)[:, :-1].flatten(0, 1)
            for rows in hidden.split(block):
                yield self.logits(rows)
                advance(part.numel() * self._head_share * len(rows) / len(hidden), "output projection")

    def hidden_states(self, samples: torch.Tensor, advance: Advance) -> torch.Tensor:
        """The decoder's output, float32 [n, T, H], for tokens int64 [n, T]; raises as `predictions`."""
        batch = max(1, BATCH_TOKENS // samples.shape[1])
        layers = len(self.model.layers)

        def visit(index: int, layer: nn.Module, arguments: LayerArguments) -> torch.Tensor:
            output = torch.empty_like(arguments.hidden)
            for start in range(0, len(output), batch):
                rows = slice(start, start + batch)
                output[rows] = arguments.take(rows).call(layer)
            trim_freed_memory()
            advance(samples.numel() * (1 - self._head_share) / layers, f"layer {index + 1} of {layers}")
            return output

        with torch.no_grad():
            return layerwise_pass(self.model, samples.to(self.model.device), visit).hidden

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits float32 [n, V] of hidden states [n, H], by the model's own code, which may scale or cap them."""
        base = Decoded(last_hidden_state=hidden[None])
        tokens = torch.zeros((1, len(hidden)), dtype=torch.int64, device=hidden.device)
        with (
            torch.no_grad(),
            _standing_in(self.model.base, lambda *_, **__: base),
            _standing_in(self._head, self._project),
        ):
            logits: torch.Tensor = self.model.module(input_ids=tokens, use_cache=False).logits
        return logits[0]

    def _project(self, hidden: torch.Tensor) -> torch.Tensor:
        """The head without its weight in memory: some rows at a time."""
        result = hidden.new_empty((*hidden.shape[:-1], self.vocabulary))
        for rows, weight in self._head_rows.blocks():
            bias = None if self._bias is None else self._bias[rows]
            result[..., rows] = F.linear(hidden, weight.to(hidden.device), bias)
        return result

    @property
    def _head(self) -> nn.Linear:
        """The output projection, without weights."""
        head: nn.Linear = self.model.module.get_output_embeddings()
        return head

    @cached_property
    def _head_rows(self) -> HeadRows:
        """The head's weight."""
        return HeadRows(self.model.checkpoint, self.model.head_weight, tuple(self._head.weight.shape))

    @cached_property
    def _bias(self) -> torch.Tensor | None:
        """The head's bias, if it has one."""
        return None if self._head.bias is None else self.model.read_float32(f"{self.model.head}.bias")

    @cached_property
    def _head_share(self) -> float:
        """The part of the multiplications that belongs to the head."""
        head = self._head.weight.numel()
        layers = sum(p.numel() for layer in self.model.layers for p in layer.parameters())
        return float(head / (head + layers))


@contextmanager
def _standing_in(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Let `forward` answer for `module` until the block ends."""
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
