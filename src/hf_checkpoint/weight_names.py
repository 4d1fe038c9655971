"""Tensors under the names that Hugging Face's model gives them, where checkpoints of a family use others."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.families import vision_facts
from tyllm_base.errors import UnsupportedError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def under_model_names(checkpoint: Checkpoint, model: PreTrainedModel) -> Checkpoint:
    """`checkpoint` with its tensors renamed as transformers renames them for `model`, such as GPT-NeoX's embed_out.

    Raises:
        UnsupportedError: its experts are stored in a way that is not read here, or other weights joined or cut.
    """
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

    from hf_checkpoint.experts import expert_stacks

    rules = get_model_conversion_mapping(model)
    renamings = [rule for rule in rules if isinstance(rule, WeightRenaming)]

    def rename(name: str) -> str:
        return str(rename_source_key(name, renamings, [])[0])

    tensors = {rename(name): info for name, info in checkpoint.tensors.items()}
    stacks = expert_stacks(model, tensors, rename)
    converters = [rule for rule in rules if isinstance(rule, WeightConverter)]
    experts = {name for stack in stacks.values() for name in stack.names}
    _refuse_converted(model, [name for name in tensors if name not in experts], converters)
    return dataclasses.replace(checkpoint, tensors=tensors, stacks=stacks)


def _refuse_converted(model: PreTrainedModel, names: Iterable[str], converters: list[Any]) -> None:
    """Refuse tensors that are no weights of the model yet, and of which transformers makes some."""
    from transformers.core_model_loading import rename_source_key

    own = model.state_dict().keys()
    for name in names:
        target, matched = rename_source_key(name, [], converters)
        if matched and name not in own and target in own:
            raise UnsupportedError(
                f"The checkpoint has {name}, from which transformers makes {target} by joining or cutting; such "
                "tensors are read for experts only."
            )


def stored_name(name: str, config: Mapping[str, Any]) -> str:
    """The name under which a tensor or module of the model is stored.

    A vision-language model, and a mixture of experts like Mixtral, keep the names that the hub's checkpoints have,
    which every version of transformers, vLLM and AutoAWQ reads; transformers 5's own save_pretrained writes them too.
    """
    facts = vision_facts(config)
    return _with_part(name, _parts(config)) if facts is None else _renamed(name, facts.stored_names)


def model_name(name: str, config: Mapping[str, Any]) -> str:
    """The inverse of `stored_name`; a name that is the model's already stays."""
    facts = vision_facts(config)
    if facts is None:
        return _with_part(name, [(hub, own) for own, hub in _parts(config)])
    if name.startswith(tuple(new for new, _ in facts.stored_names)):
        return name
    return _renamed(name, [(hub, new) for new, hub in facts.stored_names])


_MIXTRAL = ((".mlp.", ".block_sparse_moe."),)
STORED_PARTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "mixtral": _MIXTRAL,
    "minimax": _MIXTRAL,
    "minimax_m2": _MIXTRAL,
    "phimoe": ((".mlp.router.", ".block_sparse_moe.gate."), *_MIXTRAL),
}
"""Model type → parts of tensors' names in transformers' model, and what the hub's checkpoints have in their place."""


def _parts(config: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Parts of names in a model, and in the hub's checkpoints of its type."""
    return STORED_PARTS.get(str(config.get("model_type")), ())


def _with_part(name: str, parts: Iterable[tuple[str, str]]) -> str:
    """`name` with the first of the old parts that it has replaced by the new one."""
    old, new = next(((old, new) for old, new in parts if old in name), ("", ""))
    return name.replace(old, new, 1)


def _renamed(name: str, prefixes: Iterable[tuple[str, str]]) -> str:
    """`name` with the first of the old prefixes that it has replaced by the new one."""
    found = ((old, new) for old, new in prefixes if name.startswith(old))
    old, new = next(found, ("", ""))
    return new + name.removeprefix(old)
