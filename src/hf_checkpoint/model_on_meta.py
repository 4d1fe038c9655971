"""Hugging Face's own model of a checkpoint on the meta device: its modules and shapes, and no weight in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PreTrainedConfig,
    PreTrainedModel,
)

from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.families import is_vision_language
from tyllm_base.errors import UnsupportedError


def build_on_meta(checkpoint: Checkpoint, trust_remote_code: bool = False) -> PreTrainedModel:
    """The Hugging Face language model of `checkpoint`, without weights; raises `UnsupportedError`."""
    kind = _kind(checkpoint.config)
    config = None
    try:
        config = AutoConfig.from_pretrained(checkpoint.path, trust_remote_code=trust_remote_code)
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        with torch.device("meta"):  # without a wish for its attention: not every model has torch's
            model = kind.from_config(
                config, dtype=torch.float32, attn_implementation=None, trust_remote_code=trust_remote_code
            )
    except Exception as error:  # a config can make transformers fail in any way
        raise _refusal(checkpoint.config["model_type"], config, error) from error
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


def _refusal(model_type: str, config: PreTrainedConfig | None, error: Exception) -> UnsupportedError:
    """Why transformers gives no causal language model."""
    if isinstance(error, ImportError):
        return UnsupportedError(
            f"transformers cannot build {model_type!r:.60} ({_reason(error)}); install what it names."
        )
    if config is not None and not _is_known(config) and not getattr(config, "auto_map", None):
        return UnsupportedError(
            f"transformers has no causal language model of the type {model_type!r:.60}; give a model that generates "
            "text."
        )
    return UnsupportedError(
        f"transformers cannot build {model_type!r:.60} as a causal language model ({_reason(error)}); correct "
        "config.json or give another model."
    )


def _is_known(config: PreTrainedConfig) -> bool:
    kinds = (AutoModelForCausalLM, AutoModelForImageTextToText)
    return any(type(config) in kind._model_mapping for kind in kinds)


def _reason(error: Exception) -> str:
    """The first sentence of an error, with the line that it announces."""
    first, *rest = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = f"{first} {rest[0]}" if first.endswith(":") and rest else first.split(". ")[0].rstrip(".")
    return "".join(filter(str.isprintable, said))[:300]


def fill_buffers(model: PreTrainedModel, module: nn.Module, device: torch.device) -> None:
    """Compute the buffers of `module` itself that no checkpoint stores, such as rotary frequencies.

    Raises:
        UnsupportedError: neither the module nor one that it is in says what one holds.
    """
    if not any(buffer.is_meta for buffer in module.buffers(recurse=False)):
        return
    _keep_as_they_are(module, recurse=False)
    for name, buffer in list(module.named_buffers(recurse=False)):
        if buffer.is_meta:
            module._buffers[name] = torch.full_like(buffer, _unwritten(buffer.dtype), device=device)
    _owner(model, module)._init_weights(module)
    if not _left_unwritten(module):
        return
    for outer in reversed([each for each in model.modules() if any(inner is module for inner in each.modules())]):
        _keep_as_they_are(outer, recurse=True)
        _owner(model, outer)._init_weights(outer)
    if left := _left_unwritten(module):
        raise UnsupportedError(
            f"{type(model).__name__} has numbers in {type(module).__name__}.{left[0]} that neither a checkpoint stores "
            "nor its _init_weights computes; such models are not supported."
        )


def _keep_as_they_are(module: nn.Module, recurse: bool) -> None:
    """Keep `_init_weights` from overwriting what has a value, or needs none."""
    for value in (*module.parameters(recurse), *module.buffers(recurse)):
        if value.is_meta or not _is_unwritten(value):
            value._is_hf_initialized = True


def _left_unwritten(module: nn.Module) -> list[str]:
    """The buffers without a value that no checkpoint stores; others get some value until theirs is read."""
    found = {name: buffer for name, buffer in module.named_buffers(recurse=False) if _is_unwritten(buffer)}
    for name in found.keys() - module._non_persistent_buffers_set:
        found.pop(name).fill_(1)
    return sorted(found)


def _unwritten(dtype: torch.dtype) -> float:
    """What a buffer holds before it is computed, and never after; nothing of truth values, which are false."""
    if dtype == torch.bool:
        return False
    return float("nan") if dtype.is_floating_point or dtype.is_complex else torch.iinfo(dtype).min


def _is_unwritten(value: torch.Tensor) -> bool:
    if value.dtype == torch.bool or not value.numel():
        return False
    mark = _unwritten(value.dtype)
    return bool((value.isnan() if mark != mark else value == mark).any())


def _owner(model: PreTrainedModel, module: nn.Module) -> PreTrainedModel:
    """The innermost model that holds a module, which alone knows how it is made."""
    parts = (part for part in model.modules() if isinstance(part, PreTrainedModel))
    return [part for part in parts if any(each is module for each in part.modules())][-1]
