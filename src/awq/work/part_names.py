"""The names of what waits in the work folder."""

from __future__ import annotations

HIDDEN = "hidden"  # the tensor of hidden states in its part
REST = "rest"  # the part with the embedding, the final norm and the head
IMAGES = "images"  # the part with the embeddings of the calibration's images
EFFECTS = "effects"  # the part with what was measured for a budget of bits


def layer_part(index: int) -> str:
    """The part of a layer."""
    return f"layer-{index:05}"


def vision_part(index: int) -> str:
    """The part of a unit of the vision tower."""
    return f"vision-{index:05}"


def hidden_part(layers: int) -> str:
    """The part with the hidden states behind so many layers."""
    return f"hidden-{layers:05}"


def errors_part(part: str) -> str:
    """The part with the errors of another one."""
    return f"errors-{part}"


def tokens_part(part: str) -> str:
    """The part that says how many calibration tokens chose each expert of another one."""
    return f"tokens-{part}"
