"""One forward pass of the model, in which each decoder layer, when its turn comes, is handed to a visitor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from awq.method.layer_structure import is_norm
from awq.stream.activation_statistics import LayerArguments, OtherArguments, hooked
from awq.stream.meta_model import MetaModel
from hf_checkpoint.model_on_meta import fill_buffers

Visitor = Callable[[int, nn.Module, LayerArguments], torch.Tensor]  # index, layer, its arguments → its output


@dataclass
class _Visited:
    """Stands for a decoder layer's `forward`: fills the layer, lets the visitor run it, empties it."""

    model: MetaModel
    index: int
    visit: Visitor
    one: OtherArguments

    def __call__(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The visitor's output for the arguments that the model passes."""
        layer = self.model.layers[self.index]
        del layer.forward  # uncovers the layer's own, for the visitor
        hidden, other = _split(args, kwargs)
        self.model.fill(layer, self.model.prefixes[self.index])
        output = self.visit(self.index, layer, LayerArguments(hidden, other, self.one))
        self.model.empty(layer)
        return output


@dataclass
class _Recorded:
    """Stands for a layer's `forward`: keeps what the layer is given beside the hidden states, and hands them on."""

    layer: Any
    found: list[OtherArguments]

    def __call__(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The hidden states as they came."""
        del self.layer.forward
        hidden, other = _split(args, kwargs)
        self.found.append(other)
        return hidden


def _split(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[torch.Tensor, OtherArguments]:
    """The hidden states, and the other arguments of a layer."""
    if args:
        return args[0], OtherArguments(args[1:], kwargs)
    return kwargs["hidden_states"], OtherArguments((), {k: v for k, v in kwargs.items() if k != "hidden_states"})


@dataclass
class _Passed:
    """Stands for the `forward` of a layer that was visited by an earlier walk."""

    layer: Any
    hidden: torch.Tensor

    def __call__(self, *_: Any, **__: Any) -> torch.Tensor:
        """The hidden states that the earlier walk came to."""
        del self.layer.forward
        return self.hidden


class PassedLayers(NamedTuple):
    """How far an earlier walk got: so many `layers` were visited, and `hidden` [n, T, H] came out of the last."""

    layers: int
    hidden: torch.Tensor


class InsertedImages(NamedTuple):
    """Images among tokens int64 [n, T].

    Attributes:
        rows: int64 [n, T]: which embedding stands in the place of a token; −1 for the token's own.
        positions: int64 [3, n, T] of all tokens, for M-RoPE.
        embeddings: [R, H].
    """

    rows: torch.Tensor
    positions: torch.Tensor
    embeddings: torch.Tensor

    def among(self, embedded: torch.Tensor) -> torch.Tensor:
        """`embedded` tokens [s·n, T, H], the samples once for each stream, with the images in their places."""
        rows = self.rows.repeat(len(embedded) // len(self.rows), 1)
        return torch.where((rows >= 0)[..., None], self.embeddings[rows.clamp(min=0)], embedded)

    def first(self) -> InsertedImages:
        """The images of the first sample."""
        return InsertedImages(self.rows[:1], self.positions[:, :1], self.embeddings)

    def inputs(self, embedded: torch.Tensor) -> dict[str, torch.Tensor]:
        """The decoder's arguments: embeddings [s·n, T, H] with the images, and rotary positions int64 [3, s·n, T]."""
        streams = len(embedded) // len(self.rows)
        return {"inputs_embeds": self.among(embedded), "position_ids": self.positions.repeat(1, streams, 1)}


@dataclass(frozen=True)
class LastHidden:
    """The decoder's output [n, T, H], and the name in the model of the norm that wrote it, if one did."""

    hidden: torch.Tensor
    norm: str | None


def layerwise_pass(
    model: MetaModel,
    samples: torch.Tensor,
    visit: Visitor,
    reached: PassedLayers | None = None,
    inserted: InsertedImages | None = None,
) -> LastHidden:
    """Run the decoder over `samples` int64 [n, T] with `visit` in the place of every layer, from `reached` on.

    `samples` may hold those that `inserted` has images for several times over, once for each stream.
    The model's own code computes embeddings, masks and positions, so every family gets what it needs.
    """
    indices = fill_surroundings(model, samples)
    one = _of_one_sample(model, indices, inserted)
    for index, layer in enumerate(model.layers):
        if reached is not None and index < reached.layers:
            layer.forward = _Passed(layer, reached.hidden)
        else:
            layer.forward = _Visited(model, index, visit, one[index])
    norms: dict[int, str] = {}

    def watch(name: str) -> Callable[[nn.Module, Any, torch.Tensor], None]:
        return lambda module, inputs, output: norms.update({output.data_ptr(): name})

    outer_norms = [(name, module) for name, module in model.outer_modules() if is_norm(module)]
    with hooked(module.register_forward_hook(watch(name)) for name, module in outer_norms):
        hidden = model.base(**_inputs(model, indices, inserted), use_cache=False).last_hidden_state
    return LastHidden(hidden, norms.get(hidden.data_ptr()))


def _of_one_sample(model: MetaModel, indices: torch.Tensor, inserted: InsertedImages | None) -> list[OtherArguments]:
    """What each layer is given beside the hidden states when there is one sample."""
    found: list[OtherArguments] = []
    for layer in model.layers:
        layer.forward = _Recorded(layer, found)
    model.base(**_inputs(model, indices[:1], inserted and inserted.first()), use_cache=False)
    return found


def _inputs(model: MetaModel, indices: torch.Tensor, inserted: InsertedImages | None) -> dict[str, torch.Tensor]:
    """The arguments of the decoder: tokens, or their embeddings with images among them."""
    if inserted is None:
        return {"input_ids": indices}
    return inserted.inputs(model.module.get_input_embeddings()(indices))


def fill_surroundings(model: MetaModel, samples: torch.Tensor) -> torch.Tensor:
    """Fill what the decoder has beside its layers, of the embedding only the rows of `samples`, int64 [n, T].

    Returns:
        `samples`, int64 [n, T], with each token replaced by the number of its row in the small embedding.
    """
    used, indices = torch.unique(samples, return_inverse=True)
    for name in model.surroundings():
        embeds = name == model.embedding
        tensor = model.read_rows(name, used) if embeds else model.read_float32(name)
        owner, _, leaf = name.rpartition(".")
        setattr(model.module.get_submodule(owner), leaf, nn.Parameter(tensor, requires_grad=False))
    for _, module in model.outer_modules():
        fill_buffers(model.module, module, model.device)
    return indices.to(model.device)
