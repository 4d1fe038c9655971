"""Hugging Face's own model without weights: built on the meta device, filled and emptied one module at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from awq.stream.expert_linears import separate_experts
from awq.stream.expert_weights import Reader, read_stacked
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.finite_check import check_range
from hf_checkpoint.model_on_meta import build_on_meta, fill_buffers
from hf_checkpoint.packed_rows import is_packed
from hf_checkpoint.tensor_check import check_tensors, ignored_tensors
from hf_checkpoint.tied_weights import head_name, is_head_tied
from hf_checkpoint.vision_tower import TowerModule, find_tower
from hf_checkpoint.weight_names import under_model_names
from tyllm_base.errors import UnsupportedError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def quantized(checkpoint: Checkpoint, name: str) -> bool:
    """Whether config.json speaks of quantization and the weight `name` is packed."""
    return checkpoint.quantization is not None and is_packed(checkpoint, name)


def stored_float(checkpoint: Checkpoint, name: str, dtype: torch.dtype) -> torch.Tensor:
    """A tensor as it is stored, of its shape and in `dtype`."""
    return checkpoint.read_torch(name).to(dtype, copy=True)


@dataclass(frozen=True)
class MetaModel:
    """A causal language model on the meta device and the names of its parts.

    Attributes:
        module: Hugging Face's model; its parameters hold no data until `fill`.
        base: the decoder inside it, whose forward turns token ids into hidden states.
        layers: the decoder layers, in order.
        prefixes: for each layer the start of its tensors' names, such as "model.layers.0.".
        head: name of the output projection, such as "lm_head".
        embedding: name of the embedding's weight.
        tied: whether the head's weight is the embedding's.
        checkpoint: where the weights are.
        device: where `fill` puts them.
        reader: reads one of them; `awq.stream.dequantize.read_float` dequantizes what is quantized.
        tower: the vision tower, which turns images into rows among the embeddings; None for a model of text alone.
    """

    module: PreTrainedModel
    base: PreTrainedModel
    layers: list[nn.Module]
    prefixes: list[str]
    head: str
    embedding: str
    tied: bool
    checkpoint: Checkpoint
    device: torch.device
    reader: Reader = stored_float
    tower: TowerModule | None = None

    @classmethod
    def build(
        cls,
        checkpoint: Checkpoint,
        device: torch.device,
        trust_remote_code: bool = False,
        reader: Reader = stored_float,
    ) -> MetaModel:
        """Build the model of `checkpoint` and compare it with the tensors there; reads no weight.

        Raises:
            CheckpointError: config.json and the tensors contradict each other.
            UnsupportedError: transformers does not know the model, or it has no list of decoder layers.
        """
        module = build_on_meta(checkpoint, trust_remote_code)
        module.get_input_embeddings().padding_idx = None  # matters to training alone, and forbids a cut embedding
        found = separate_experts(module, under_model_names(checkpoint, module))
        tower = find_tower(module)
        name, layers = _find_layers(module, tower)
        model = cls(
            module=module,
            base=module.base_model,
            layers=list(layers),
            prefixes=[f"{name}.{index}." for index in range(len(layers))],
            head=_find_head(module),
            embedding=_find_embedding(module),
            tied=is_head_tied(module) and not quantized(found, f"{_find_head(module)}.weight"),
            checkpoint=found,
            device=device,
            reader=reader,
            tower=tower,
        )
        model.check_names()
        return model

    def check_names(self) -> None:
        """Raise `CheckpointError` unless the checkpoint has exactly the model's tensors, each in the model's shape.

        In the place of a quantized weight it has the tensors of its packed form.
        """
        shapes = {name: tuple(weight.shape) for name, weight in self.module.state_dict().items()}
        packed = {name for name in shapes if quantized(self.checkpoint, name)}
        tied = {f"{self.head}.weight": self.embedding} if self.tied else {}
        check_tensors(self.checkpoint, shapes, packed, tied, ignored=ignored_tensors(self.module))

    @property
    def head_weight(self) -> str:
        """Name of the tensor that is the head's weight: the embedding's where they are tied."""
        return self.embedding if self.tied else f"{self.head}.weight"

    @property
    def vocabulary(self) -> int:
        """The number of tokens that the model knows."""
        return int(self.module.get_input_embeddings().num_embeddings)

    @property
    def context(self) -> int | None:
        """The number of tokens that the model was made for, if its config says so."""
        text = self.module.config.get_text_config()
        found = (getattr(text, name, None) for name in ("max_position_embeddings", "max_seq_len"))
        return next((int(limit) for limit in found if limit), None)

    def surroundings(self) -> list[str]:
        """Names of the tensors that belong neither to a decoder layer nor to the head or the vision tower."""
        inner = (*self.prefixes, f"{self.head}.", *self._tower_prefix())
        return [name for name in self.module.state_dict() if not name.startswith(inner)]

    def outer_modules(self) -> list[tuple[str, nn.Module]]:
        """The modules outside the decoder layers and the vision tower, with their names in the model."""
        inner = (*self.prefixes, *self._tower_prefix())
        return [(name, m) for name, m in self.module.named_modules() if not f"{name}.".startswith(inner)]

    def _tower_prefix(self) -> list[str]:
        return [] if self.tower is None else [f"{self.tower.name}."]

    def fill(self, module: nn.Module, prefix: str) -> None:
        """Read the parameters of `module`, whose names start with `prefix`, as float32 on the device."""
        tensors = {name: self.read_float32(prefix + name) for name in module.state_dict()}
        module.load_state_dict(tensors, assign=True)
        for inner in module.modules():
            fill_buffers(self.module, inner, self.device)
        module.requires_grad_(False)

    def read_float32(self, name: str) -> torch.Tensor:
        """A tensor of its stored shape as float32 on the device; raises `CheckpointError` for NaN or beyond float16."""
        tensor = read_stacked(self.checkpoint, name, torch.float32, self.reader)
        check_range(name, tensor.numpy())
        return tensor.to(self.device)

    def read_rows(self, name: str, rows: slice | torch.Tensor) -> torch.Tensor:
        """`read_float32` of some rows only, by a slice or by their indices int64 [rows]: float32 [rows, …]."""
        tensor = self.checkpoint.read_torch(name)[rows].to(torch.float32, copy=True)
        check_range(name, tensor.numpy())
        return tensor.to(self.device)

    @staticmethod
    def empty(module: nn.Module) -> None:
        """Drop the weights of `module` again."""
        module.to("meta")


def _find_layers(model: PreTrainedModel, tower: TowerModule | None) -> tuple[str, nn.ModuleList]:
    """Name and content of the list of decoder layers: the one as long as the config says, outside a vision tower."""
    other = () if tower is None else f"{tower.name}."
    count = model.config.get_text_config().num_hidden_layers
    inside = set(model.get_decoder().modules())  # a tower that nobody knows can have as many
    for name, module in model.named_modules():
        is_list = isinstance(module, nn.ModuleList) and len(module) == count
        if is_list and module in inside and not name.startswith(other):
            return name, module
    raise UnsupportedError(
        f"{type(model).__name__} has no list of {count} decoder layers; only decoders are supported."
    )


def _find_embedding(model: PreTrainedModel) -> str:
    """Name of the embedding's weight."""
    weight = model.get_input_embeddings().weight
    return str(next(name for name, parameter in model.named_parameters() if parameter is weight))


def _find_head(model: PreTrainedModel) -> str:
    """Name of the output projection."""
    name = head_name(model)
    if name is None:
        raise UnsupportedError(
            f"{type(model).__name__} has no linear output projection; only language models are supported."
        )
    return name
