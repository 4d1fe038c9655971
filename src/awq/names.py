"""Tensors under the names that Hugging Face's model gives them, where checkpoints of a family use others."""

from __future__ import annotations

import dataclasses
from typing import Any

from awq.checkpoint import Checkpoint


def under_model_names(checkpoint: Checkpoint, model: Any) -> Checkpoint:
    """`checkpoint` with its tensors renamed as transformers renames them for `model`, such as GPT-NeoX's embed_out."""
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightRenaming, rename_source_key

    renamings = [rule for rule in get_model_conversion_mapping(model) if isinstance(rule, WeightRenaming)]
    tensors = {rename_source_key(name, renamings, [])[0]: info for name, info in checkpoint.tensors.items()}
    return dataclasses.replace(checkpoint, tensors=tensors)
