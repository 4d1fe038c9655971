"""One forward pass of the model, in which each decoder layer, when its turn comes, is handed to a visitor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._pytree import tree_map_only

from awq.method.layer_structure import is_norm
from awq.stream.activation_statistics import LayerArguments, OtherArguments, hooked
from awq.stream.meta_model import MetaModel
from hf_checkpoint.model_on_meta import fill_buffers

Visitor = Callable[[int, nn.Module, LayerArguments], torch.Tensor]  # index, layer, its arguments → its output


class _LayerCall(NamedTuple):
    """How the model calls a decoder layer.

    Attributes:
        one: what it is given beside the hidden states for a single sample.
        outputs: the length of the tuple that it returns, hidden states first; 0 where it returns these alone.
    """

    one: OtherArguments
    outputs: int

    def returned(self, hidden: torch.Tensor) -> Any:
        """Hidden states as the model expects them from the layer."""
        return (hidden, *[None] * (self.outputs - 1)) if self.outputs else hidden


@dataclass
class _Visited:
    """Stands for a decoder layer's `forward`: fills the layer, lets the visitor run it, empties it."""

    model: MetaModel
    index: int
    visit: Visitor
    called: _LayerCall

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The visitor's output for the arguments that the model passes."""
        layer = self.model.layers[self.index]
        del layer.forward  # uncovers the layer's own, for the visitor
        hidden, other = _split(args, kwargs)
        self.model.fill(layer, self.model.prefixes[self.index])
        output = self.visit(self.index, layer, LayerArguments(hidden, other, self.called.one))
        self.model.empty(layer)
        return self.called.returned(output)


@dataclass
class _Recorded:
    """Stands for a layer's `forward`: keeps how the layer is called, and hands the hidden states on."""

    layer: Any
    found: list[_LayerCall]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The hidden states as they came."""
        del self.layer.forward
        hidden, other = _split(args, kwargs)
        called = _LayerCall(other, _outputs(self.layer, args, kwargs))
        self.found.append(called)
        return called.returned(hidden)


def _split(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[torch.Tensor, OtherArguments]:
    """The hidden states, and the other arguments of a layer."""
    if args:
        return args[0], OtherArguments(args[1:], kwargs)
    return kwargs["hidden_states"], OtherArguments((), {k: v for k, v in kwargs.items() if k != "hidden_states"})


def _outputs(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """The length of the tuple that the layer, which is on the meta device, returns; 0 for a tensor.

    What cannot run without values, such as a mixture of experts, returns a tensor in all of transformers.
    """
    try:
        args, kwargs = tree_map_only(torch.Tensor, lambda tensor: tensor.to("meta"), (args, kwargs))
        output = layer(*args, **kwargs)
    except Exception:
        return 0
    return len(output) if isinstance(output, tuple) else 0


@dataclass
class _Passed:
    """Stands for the `forward` of a layer that was visited by an earlier walk."""

    layer: Any
    hidden: torch.Tensor
    called: _LayerCall

    def __call__(self, *_: Any, **__: Any) -> Any:
        """The hidden states that the earlier walk came to."""
        del self.layer.forward
        return self.called.returned(self.hidden)


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
    calls = _calls(model, indices, inserted)
    for index, layer in enumerate(model.layers):
        if reached is not None and index < reached.layers:
            layer.forward = _Passed(layer, reached.hidden, calls[index])
        else:
            layer.forward = _Visited(model, index, visit, calls[index])
    norms: dict[int, str] = {}

    def watch(name: str) -> Callable[[nn.Module, Any, torch.Tensor], None]:
        return lambda module, inputs, output: norms.update({output.data_ptr(): name})

    outer_norms = [(name, module) for name, module in model.outer_modules() if is_norm(module)]
    with hooked(module.register_forward_hook(watch(name)) for name, module in outer_norms):
        hidden = model.base(**_inputs(model, indices, inserted), use_cache=False).last_hidden_state
    return LastHidden(hidden, norms.get(hidden.data_ptr()))


def _calls(model: MetaModel, indices: torch.Tensor, inserted: InsertedImages | None) -> list[_LayerCall]:
    """How each layer is called when there is one sample."""
    found: list[_LayerCall] = []
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
