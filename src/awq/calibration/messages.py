"""Conversations in the form of Hugging Face's chat templates, with images among the parts of a message.

A message is {"role": …, "content": …}; its content is a text, or a list of parts: {"type": "text", "text": …} and
{"type": "image", "image": …}, an image being a path (also as "path", or after "file://") or a PIL image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Message = Mapping[str, Any]
FILE = "file://"


def is_message(entry: Any) -> bool:
    """Whether `entry` is a message whose content can be read."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("role"), str):
        return False
    content = entry.get("content")
    return isinstance(content, str) or (isinstance(content, Sequence) and bool(content) and all(map(_is_part, content)))


def _is_part(part: Any) -> bool:
    if not isinstance(part, Mapping):
        return False
    if part.get("type") == "image":
        return "image" in part or "path" in part
    return part.get("type") == "text" and isinstance(part.get("text"), str)


def located(messages: Sequence[Message], folder: Path = Path()) -> list[Message]:
    """The messages with the paths of images joined to `folder`; a content of text alone becomes a string."""
    return [{**message, "content": _located(message["content"], folder)} for message in messages]


def _located(content: Any, folder: Path) -> Any:
    if isinstance(content, str):
        return content
    if all(part["type"] == "text" for part in content):
        return "".join(part["text"] for part in content)
    return [part if part["type"] == "text" else _image_part(part, folder) for part in content]


def _image_part(part: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    found = part.get("image", part.get("path"))
    if isinstance(found, (str, Path)) and "://" not in str(found).removeprefix(FILE):
        found = str(folder / str(found).removeprefix(FILE))
    return {"type": "image", "image": found}


def images_in(document: Any) -> Iterator[Any]:
    """The images of a conversation in order; none in a text or in token ids."""
    for message in document if isinstance(document, Sequence) and not isinstance(document, str) else ():
        if isinstance(message, Mapping) and not isinstance(message["content"], str):
            yield from (part["image"] for part in message["content"] if part["type"] == "image")
