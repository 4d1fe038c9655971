"""Calibration text that the model writes itself: many sequences side by side, one decoder layer in memory at a time.

Each step takes the last token of every sequence through one layer after the other, so that a layer's weights, read from
the mapped checkpoint, serve all sequences. As in LLM-QAT (Liu et al. 2023, arXiv 2305.17888, section 3.1) the first few
tokens after a sequence's start are the likeliest ones and all others are drawn; with temperature 1 and from the whole
vocabulary, so that the text is as the model itself would have it (as in Williams et al. 2025, arXiv 2410.17170).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import DynamicCache

from awq.stream.layerwise_pass import fill_surroundings
from awq.stream.malloc_trim import trim_freed_memory
from awq.stream.meta_model import MetaModel
from hf_checkpoint.finite_check import check_range
from hf_checkpoint.model_on_meta import fill_buffers
from tyllm_base.progress import Progress, ignore

LIKELIEST = 4  # tokens after the start that are not drawn: 3 to 5 in LLM-QAT
HELD_BYTES = 1 << 30  # a model whose float32 weights take no more is read once and held
CACHE_BYTES = 1 << 29  # keys and values of the sequences that are written at a time
HEAD_VALUES = 1 << 24  # weights of the output projection in memory at a time


def generated_samples(
    model: MetaModel, planned: torch.Tensor, seed: int = 0, progress: Progress = ignore
) -> torch.Tensor:
    """`planned` int64 [n, T] with the model's own text in the place of every −1, the same one whenever it is called.

    Args:
        model: the model; no layer of it may be filled.
        planned: what each sample begins with, at least one token, and −1 from there on; see
            `awq.calibration.generation_starts`.
        seed: of the draws, which do not depend on how many sequences go side by side.
        progress: called after each step with (steps done, steps in all, what is being done).

    Raises:
        CheckpointError: a weight is NaN, infinite or beyond float16.
    """
    samples, begun = planned.clone(), (planned >= 0).sum(1)
    count, length = samples.shape
    draws = torch.rand((count, length), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    groups = torch.arange(count).tensor_split(_groups(model, count, length))
    with torch.no_grad(), StreamedDecoder(model).hooked() as decoder:
        for number, group in enumerate(groups):
            decoder.forget()
            for place in range(1, length):
                logits = decoder.logits(samples[group, place - 1])
                likeliest = place < begun[group] + LIKELIEST
                chosen = torch.where(likeliest, logits.argmax(-1), drawn(logits, draws[group, place]))
                samples[group, place] = torch.where(place < begun[group], samples[group, place], chosen)
                done = number * (length - 1) + place
                progress(done, len(groups) * (length - 1), f"calibration text, token {place + 1} of {length}")
    trim_freed_memory()
    return samples


def drawn(logits: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """Tokens int64 [n] from the distributions of `logits` [n, V] by numbers `uniform` in [0, 1), float64 [n]."""
    cumulative = logits.double().softmax(-1).cumsum(-1)
    found = torch.searchsorted(cumulative, uniform[:, None] * cumulative[:, -1:], right=True)
    return found.squeeze(1).clamp(max=logits.shape[1] - 1)


def _groups(model: MetaModel, count: int, length: int) -> int:
    """Into how many groups `count` sequences are split so that the cache of one keeps to its budget."""
    config = model.module.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    sequence = length * len(model.layers) * heads * width * 2 * torch.float16.itemsize
    return min(count, -int(-count * sequence // CACHE_BYTES))


class Float16Cache(DynamicCache):  # type: ignore[misc]  # transformers gives no types here
    """A cache that holds keys and values in float16 and gives them back in float32."""

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Add the new keys and values [n, KH, T, D] of a layer, and return all [n, KH, so far, D] in float32."""
        keys, values = super().update(key_states.to(torch.float16), value_states.to(torch.float16), *args, **kwargs)
        return keys.float(), values.float()


@dataclass
class StreamedDecoder:
    """The model, of which each layer is filled when its turn comes; `memory` has the places that weights are read to.

    A place serves all layers in turn, unless the model is small: then each weight has its own and is read once.
    """

    model: MetaModel
    memory: dict[str, torch.Tensor] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)
    cache: DynamicCache = field(default_factory=DynamicCache)

    @contextmanager
    def hooked(self) -> Iterator[StreamedDecoder]:
        """Let the model's layers and head read their weights themselves, until the block ends."""
        head = self.model.module.get_output_embeddings()
        head.forward = self._project
        handles = [
            layer.register_forward_pre_hook(lambda layer, _, prefix=prefix: self._fill(layer, prefix))
            for layer, prefix in zip(self.model.layers, self.model.prefixes, strict=True)
        ]
        try:
            yield self
        finally:
            del head.forward
            for handle in handles:
                handle.remove()
            for layer in self.model.layers:
                self.model.empty(layer)
            self.memory.clear()

    def forget(self) -> None:
        """Begin new sequences."""
        self.cache = Float16Cache(config=self.model.module.config)

    def logits(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits float32 [n, V] after the next `tokens` int64 [n] of n sequences, on the CPU."""
        indices = fill_surroundings(self.model, tokens[:, None])
        output = self.model.module(input_ids=indices, past_key_values=self.cache, use_cache=True)
        logits: torch.Tensor = output.logits[:, -1].float().cpu()
        return logits

    @cached_property
    def _holds(self) -> bool:
        """Whether the weights stay in memory."""
        weights = sum(parameter.numel() for parameter in self.model.module.parameters())
        return bool(weights * torch.float32.itemsize <= HELD_BYTES)

    def _read(self, name: str, place: str, rows: slice = slice(None)) -> torch.Tensor:
        """Rows of a weight as float32 on the device, valid until the next weight is read to `place`."""
        stored = self.model.checkpoint.read_torch(name)[rows]
        key = f"{name} {rows.start}" if self._holds else f"{place} {tuple(stored.shape)}"
        known = key in self.memory
        if not known:
            self.memory[key] = torch.empty(stored.shape, dtype=torch.float32, device=self.model.device)
        if not known or not self._holds:
            self.memory[key].copy_(stored)
        if f"{name} {rows.start}" not in self.checked:
            check_range(name, self.memory[key].cpu().numpy())
            self.checked.add(f"{name} {rows.start}")
        return self.memory[key]

    def _fill(self, layer: nn.Module, prefix: str) -> None:
        """Give a layer its weights."""
        layer.load_state_dict({name: self._read(prefix + name, name) for name in layer.state_dict()}, assign=True)
        for inner in layer.modules():
            fill_buffers(self.model.module, inner, self.model.device)

    def _project(self, hidden: torch.Tensor) -> torch.Tensor:
        """The head, some of its rows at a time."""
        name = self.model.head_weight
        outputs, inputs = self.model.checkpoint.info(name).shape
        step = max(1, HEAD_VALUES // inputs)
        blocks = (slice(start, start + step) for start in range(0, outputs, step))
        logits = torch.cat([F.linear(hidden, self._read(name, "head", rows)) for rows in blocks], -1)
        bias = f"{self.model.head}.bias"
        return logits + self._read(bias, bias) if bias in self.model.checkpoint else logits
