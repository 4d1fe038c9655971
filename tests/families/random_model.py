"""A tiny model of any type with random weights under which context matters, and its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from models.preprocessor import preprocessor_config
from tests.families.changes import NO_MODEL
from tests.families.tiny_config import VOCABULARY, tiny_config
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

from hf_checkpoint.vision_tower import find_tower

CAUSAL = sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
IMAGE_TEXT = sorted(set(MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES) - set(CAUSAL))
LENGTH = 37  # tokens: chunks of 16, of 8 and of 1
GAIN = 1.5  # of each matrix: what it makes of values near one is larger by so much
EARLY = (
    4,
    22,
    33,
)  # tokens of which one is changed: of a sliding window, or a state that fades, only late ones are seen
MATTERS = 1e-3  # what that must change the last logits by, as 1 − cosine
MOST_PARAMETERS = 100_000_000


class NoTinyModelError(Exception):
    """No tiny model of the type could be made: the sweep says nothing about it."""


def tokens() -> list[int]:
    """The tokens of the text; none is special in a tiny config."""
    return np.random.default_rng(0).integers(10, VOCABULARY - 50, LENGTH).tolist()


def logits(model: PreTrainedModel, ids: list[int]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """(tokens, vocabulary) logits of transformers' own float32 model."""
    with torch.no_grad():
        return np.asarray(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float().numpy())


def cosine(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    """The cosine of the angle between two rows."""
    return float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))


def random_model(model_type: str, changes: Mapping[str, Any]) -> PreTrainedModel:
    """A model whose weights float16 holds exactly; raises `NoTinyModelError`."""
    if model_type in NO_MODEL:
        raise NoTinyModelError(NO_MODEL[model_type])
    try:
        config = tiny_config(model_type, changes)
        kind = auto_class(config)
        with torch.device("meta"):
            size = sum(parameter.numel() for parameter in kind.from_config(config).parameters())
        if size > MOST_PARAMETERS:
            raise NoTinyModelError(f"{size / 1e6:.0f} million parameters")
        torch.manual_seed(0)
        model = kind.from_config(config, dtype=torch.float32).eval()
        randomize(model)
    except NoTinyModelError:
        raise
    except ImportError as error:
        raise NoTinyModelError(f"transformers needs packages for it: {' '.join(str(error).split())[:200]}") from error
    except Exception as error:  # transformers may fail in any way
        raise NoTinyModelError(f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]) from error
    return model


def auto_class(config: PretrainedConfig) -> Any:
    """The auto class that makes the whole model of a config: text and, where it has some, what reads images."""
    for kind in (AutoModelForCausalLM, AutoModelForImageTextToText):
        if getattr(kind._model_mapping.get(type(config), None), "config_class", None) is type(config):
            return kind
    return AutoModelForCausalLM


def randomize(model: nn.Module) -> None:
    """Matrices get normal values, everything else what transformers set, a little shaken."""
    generator = torch.Generator().manual_seed(1)
    done: set[int] = set()
    for module in model.modules():
        persistent = {name for name in module._buffers if name not in module._non_persistent_buffers_set}
        named = [*module.named_parameters(recurse=False)]
        named += [(name, b) for name, b in module.named_buffers(recurse=False) if name in persistent]
        for _, tensor in named:
            if id(tensor) not in done and tensor.is_floating_point():
                done.add(id(tensor))
                noise = torch.randn(tensor.shape, generator=generator)
                matrix = tensor.ndim > 1 and isinstance(tensor, nn.Parameter)
                value = noise * GAIN / tensor.shape[-1] ** 0.5 if matrix else tensor.detach() + 0.1 * noise
                tensor.data = value.half().float()


def context(model: PreTrainedModel) -> float:
    """By how much an early token changes the last logits, as 1 − cosine.

    Raises:
        NoTinyModelError: it hardly does.
    """
    ids = tokens()
    try:
        last = logits(model, ids)[-1]
        changed = [logits(model, [*ids[:i], ids[i] + 1, *ids[i + 1 :]])[-1] for i in EARLY]
    except Exception as error:  # transformers may fail in any way
        raise NoTinyModelError(f"its forward pass: {type(error).__name__}: {error}"[:300]) from error
    if not np.isfinite(last).all():
        raise NoTinyModelError("its logits are not finite")
    least = max(1 - cosine(last, other) for other in changed)
    if not least >= MATTERS:
        raise NoTinyModelError(f"context hardly matters ({least:.1e})")
    return least


def save(model: PreTrainedModel, folder: Path) -> None:
    """The float16 checkpoint of the model, with the names that checkpoints of the hub have."""
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        model.half().save_pretrained(folder)
    except Exception as error:
        raise NoTinyModelError(f"save_pretrained: {type(error).__name__}: {error}"[:300]) from error
    finally:
        model.float()
        for name, buffer in buffers.items():  # what is not stored may need more digits than float16 has
            owner, _, own = name.rpartition(".")
            model.get_submodule(owner)._buffers[own] = buffer
    if tower := find_tower(model):
        own = tower.module.config
        sizes = {"patch_size": own.patch_size, "merge_size": own.spatial_merge_size}
        described = preprocessor_config(model.config.model_type, 256, 1 << 20) | sizes
        (folder / "preprocessor_config.json").write_text(json.dumps(described), encoding="utf-8")
