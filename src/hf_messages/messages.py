"""Chat messages whose content has parts: the images and videos taken out, the rest for the chat template.

The parts are those of Hugging Face's chat templates ({"type": "image", "image": …}, also as "path") and of OpenAI's
API ({"type": "image_url", "image_url": {"url": …}}), https://platform.openai.com/docs/guides/images-vision. Where a
source is a file:// address, its path is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hf_messages.image_source import local_path
from tyllm_base.errors import GenerationError, ImageError
from tyllm_base.option_checks import shown

Message = Mapping[str, Any]
"""{"role": …, "content": text, or a list of parts, …}."""


@dataclass
class MessagesAndMedia:
    """Messages as a chat template takes them, and the images and videos in their order.

    Attributes:
        messages: an image is left as {"type": "image"}, a video as {"type": "video"}.
        images: sources as `image_file.load_image` takes them, or whatever else was given.
        videos: the parts {"type": "video", "video": …, "fps": …} as they were given.
    """

    messages: list[dict[str, Any]] = field(default_factory=list)
    images: list[Any] = field(default_factory=list)
    videos: list[Mapping[str, Any]] = field(default_factory=list)


def separate_media(messages: Sequence[Message]) -> MessagesAndMedia:
    """Messages with their images and videos taken out; where there are none, contents are text.

    Raises:
        GenerationError: no messages, one that is no dictionary, or a part of an unknown type.
        ImageError: a part without its image or video, or with a file:// address that is none.
    """
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        raise GenerationError(
            f"{shown(messages)} is no list of messages; give a list of dictionaries, such as "
            "[{'role': 'user', 'content': …}]."
        )
    found = MessagesAndMedia()
    for message in messages:
        if not isinstance(message, Mapping):
            raise GenerationError(f"The message {shown(message)} is no dictionary; give it a 'role' and a 'content'.")
        parts = content_parts(message)
        taken = {} if parts is None else {"content": [_without_media(part, found) for part in parts]}
        found.messages.append({**message, **taken})
    if not found.images and not found.videos:
        found.messages = list(map(with_joined_text, found.messages))
    return found


def content_parts(message: Message) -> Sequence[Any] | None:
    """The parts of a message's content; None where it is text or nothing."""
    content = message.get("content")
    return None if isinstance(content, str) or not isinstance(content, Sequence) else content


def with_joined_text(message: Message) -> dict[str, Any]:
    """The message with its parts, which are all text, joined: templates of text models know no parts."""
    parts = content_parts(message)
    return dict(message) if parts is None else {**message, "content": "".join(part["text"] for part in parts)}


def image_source(part: Mapping[str, Any]) -> Any:
    """The image of a part of type "image" or "image_url"; raises `ImageError` where it has none."""
    found = next((part[name] for name in ("image", "image_url", "path") if part.get(name) is not None), None)
    if isinstance(found, Mapping):
        found = found.get("url")
    if found is None:
        raise ImageError("A part of type 'image' has no image in it; give it as 'image', or as 'image_url'.")
    return local_path(found)


def _without_media(part: Any, found: MessagesAndMedia) -> dict[str, Any]:
    """A part without its image or video, which is added to `found`."""
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if kind in ("image", "image_url"):
        found.images.append(image_source(part))
        return {"type": "image"}
    if kind == "video":
        found.videos.append(_video(part))
        return {"type": "video"}
    raise GenerationError(
        f"A message has a part of type {kind!r} that is not understood; give parts of type 'text', 'image' "
        "(with 'image'), 'image_url' (with 'image_url') or 'video' (with 'video')."
    )


def _video(part: Mapping[str, Any]) -> Mapping[str, Any]:
    if part.get("video") is None:
        raise ImageError(f"A video is given with {', '.join(map(str, part)) or 'nothing'}; give it as 'video'.")
    return {**part, "video": local_path(part["video"])}
