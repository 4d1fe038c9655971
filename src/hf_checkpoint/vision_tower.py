"""Where a model of transformers has its vision tower, the part that turns images into rows among the embeddings."""

from __future__ import annotations

from typing import Any

from hf_checkpoint.families import vision_facts


def find_tower(model: Any) -> tuple[str, Any] | None:
    """Name and module of the vision tower of a `transformers.PreTrainedModel`; None where it reads text alone."""
    facts = vision_facts({"model_type": model.config.model_type})
    if facts is None:
        return None
    return next((name, module) for name, module in model.named_modules() if name.rpartition(".")[2] == facts.tower)


def vision_tokens(config: Any) -> dict[str, int]:
    """The tokens of a vision-language model, by what they are for: an image, a video, the start and the end of one.

    Args:
        config: its `transformers.PretrainedConfig`.
    """
    facts = vision_facts({"model_type": config.model_type})
    return {} if facts is None else {name: int(getattr(config, token)) for name, token in facts.tokens.items()}
