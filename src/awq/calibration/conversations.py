"""Conversations for calibration in the form of Hugging Face's chat templates, with images among a message's parts.

`hf_messages.messages` says which parts there are. Videos are not taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_messages.image_source import is_path
from hf_messages.messages import Message, content_parts, image_source, separate_media, with_joined_text
from tyllm_base.errors import GenerationError


def is_message(entry: object) -> bool:
    """Whether `entry` is a message whose content can be read."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("role"), str):
        return False
    parts = content_parts(entry)
    if parts is None:
        return isinstance(entry.get("content"), str)
    try:
        return bool(parts) and not separate_media([entry]).videos
    except GenerationError:
        return False


def located(messages: Sequence[Message], folder: Path = Path()) -> list[Message]:
    """The messages with the paths of images joined to `folder`; a content of text alone becomes a string."""
    return [_located(message, folder) for message in messages]


def images_in(document: object) -> list[Any]:
    """The images of a conversation in order; none in a text or in token ids."""
    messages = document if isinstance(document, Sequence) and not isinstance(document, str) else ()
    return separate_media([message for message in messages if isinstance(message, Mapping)]).images


def _located(message: Message, folder: Path) -> Message:
    parts = content_parts(message)
    if parts is None or all(part["type"] == "text" for part in parts):
        return with_joined_text(message)
    return {**message, "content": [_located_part(part, folder) for part in parts]}


def _located_part(part: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    if part["type"] == "text":
        return part
    source = image_source(part)
    is_file = is_path(source) and "://" not in str(source)
    return {"type": "image", "image": str(folder / source) if is_file else source}
