"""Hugging Face's own model of a checkpoint on the meta device: its modules and shapes, and no weight in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, PreTrainedModel

from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.families import is_vision_language
from tyllm_base.errors import UnsupportedError


def build_on_meta(checkpoint: Checkpoint, trust_remote_code: bool = False) -> PreTrainedModel:
    """The Hugging Face language model of `checkpoint`, without weights; raises `UnsupportedError`."""
    kind = _kind(checkpoint.config)
    try:
        config = AutoConfig.from_pretrained(checkpoint.path, trust_remote_code=trust_remote_code)
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        with torch.device("meta"):  # without a wish for its attention: not every model has torch's
            model = kind.from_config(
                config, dtype=torch.float32, attn_implementation=None, trust_remote_code=trust_remote_code
            )
    except Exception as error:  # a config can make transformers fail in any way
        raise UnsupportedError(
            f"transformers cannot build {checkpoint.config['model_type']!r:.60} as a causal language model "
            f"({_reason(error)}); correct config.json or give another model."
        ) from error
    return model.eval()


def _kind(config: Mapping[str, Any]) -> Any:
    """The class of models that a config.json is one of: those that see images where it is not of a text model."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    )

    kind, named = config["model_type"], config.get("architectures") or ()
    seeing = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.get(kind)
    sees = seeing is not None and (seeing in named or kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    return AutoModelForImageTextToText if sees or is_vision_language(config) else AutoModelForCausalLM


def _reason(error: Exception) -> str:
    """The first sentence of an error, with the line that it announces."""
    first, *rest = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = f"{first} {rest[0]}" if first.endswith(":") and rest else first.split(". ")[0].rstrip(".")
    return "".join(filter(str.isprintable, said))[:300]


def fill_buffers(model: PreTrainedModel, module: nn.Module, device: torch.device) -> None:
    """Compute the buffers of `module` itself that no checkpoint stores, such as rotary frequencies."""
    if any(buffer.is_meta for buffer in module.buffers(recurse=False)):
        for value in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            value._is_hf_initialized = True  # keeps _init_weights from overwriting what was read
        for name, buffer in list(module.named_buffers(recurse=False)):
            module._buffers[name] = torch.empty_like(buffer, device=device) if buffer.is_meta else buffer
        _owner(model, module)._init_weights(module)


def _owner(model: PreTrainedModel, module: nn.Module) -> PreTrainedModel:
    """The innermost model that holds a module, which alone knows how it is made."""
    parts = (part for part in model.modules() if isinstance(part, PreTrainedModel))
    return [part for part in parts if any(each is module for each in part.modules())][-1]
