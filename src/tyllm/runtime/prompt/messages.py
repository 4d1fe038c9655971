"""Chat messages whose content has parts: the images and videos taken out, the rest for the chat template.

The parts are those of Hugging Face's chat templates ({"type": "image", "image": …}) and of OpenAI's API
({"type": "image_url", "image_url": {"url": …}}), https://platform.openai.com/docs/guides/images-vision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from tyllm.runtime.prompt.video_input import Clip
from tyllm_errors import GenerationError, ImageError

Message = dict[str, Any]


@dataclass
class Parted:
    """Messages as a chat template takes them, and the images and videos in their order."""

    messages: list[Message] = field(default_factory=list)
    images: list[Any] = field(default_factory=list)
    videos: list[Clip] = field(default_factory=list)

    def part(self, part: Any) -> Message:
        """A part without its image or video, which is kept."""
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "text" and isinstance(part.get("text"), str):
            return {"type": "text", "text": part["text"]}
        if kind in ("image", "image_url"):
            self.images.append(_image(part))
            return {"type": "image"}
        if kind == "video":
            self.videos.append(Clip.of({**part, "video": _local(part.get("video"))}))
            return {"type": "video"}
        raise GenerationError(
            f"A message has a part of type {kind!r} that is not understood; give parts of type 'text', 'image' "
            "(with 'image'), 'image_url' (with 'image_url') or 'video' (with 'video')."
        )


def take_apart(messages: Sequence[Mapping[str, Any]]) -> Parted:
    """Messages with their images and videos taken out; where there are none, contents are text.

    Raises:
        GenerationError: a part of an unknown type.
        ImageError: a part without its image or video.
    """
    parted = Parted()
    for message in messages:
        content = message.get("content")
        parts = None if isinstance(content, str) or not isinstance(content, Sequence) else map(parted.part, content)
        parted.messages.append(dict(message) if parts is None else {**message, "content": list(parts)})
    if not parted.images and not parted.videos:
        parted.messages = list(map(_as_text, parted.messages))
    return parted


def _as_text(message: Message) -> Message:
    """Parts of text joined: templates of text models know no parts."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": "".join(part["text"] for part in content)}


def _image(part: Mapping[str, Any]) -> Any:
    found = part.get("image", part.get("image_url"))
    if isinstance(found, Mapping):
        found = found.get("url")
    if found is None:
        raise ImageError("A part of type 'image' has no image in it; give it as 'image', or as 'image_url'.")
    return _local(found)


def _local(source: Any) -> Any:
    """The path of a file:// address; anything else as it is."""
    return unquote(urlsplit(source).path) if isinstance(source, str) and source.startswith("file://") else source
