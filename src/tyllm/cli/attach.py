"""Images and videos that wait for the next message of a chat."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tyllm.runtime import Session
    from tyllm.runtime.images import Fitted
    from tyllm.runtime.images.sizes import Fit


class Attachments:
    """They are read when they are named, so that what is wrong is told at once, and once each."""

    def __init__(self, session: "Session", fit: "Fit", fps: float | None) -> None:
        self._session, self._fit, self._fps = session, fit, fps
        self._parts: list[dict[str, Any]] = []

    def read(self, kind: str, rest: str) -> list[str]:
        """Read what `/image` or `/video` names.

        Args:
            kind: "image" or "video".
            rest: a path, spaces and all; or several, quoted where they have spaces.

        Returns:
            A sentence about each.

        Raises:
            ImageError: one cannot be used; none is kept.
        """
        found = [(path, self._fitted(kind, path)) for path in _paths(kind, rest)]
        self._parts += [{"type": kind, kind: fitted} for _, fitted in found]
        told = [f"{path.name} goes with the next message ({fitted.tokens} tokens)." for path, fitted in found]
        return told + [fitted.message for _, fitted in found if fitted.message]

    def with_text(self, text: str) -> str | list[dict[str, Any]]:
        """The content of a message: images before the text; nothing waits any more."""
        parts = [*self._parts, {"type": "text", "text": text}]
        self.clear()
        return parts if len(parts) > 1 else text

    def clear(self) -> None:
        """Nothing waits any more."""
        self._parts.clear()

    def _fitted(self, kind: str, path: Path) -> "Fitted":
        from tyllm.runtime.prompt.video_input import VideoInput

        tower = self._session.vision_tower
        return tower.image(path, self._fit) if kind == "image" else tower.video(VideoInput(path, self._fps), self._fit)


def _paths(kind: str, rest: str) -> list[Path]:
    """The whole line where there is such a file, or else its words as a shell reads them."""
    from tyllm_base.errors import ImageError

    if not rest.strip():
        raise ImageError(f"/{kind} names no file; say /{kind} PATH.")
    whole = _expanded(rest.strip())
    if whole.exists():
        return [whole]
    try:
        return [_expanded(word) for word in shlex.split(rest)]
    except ValueError:  # a quote that is not closed
        return [whole]


def _expanded(name: str) -> Path:
    """A path in which ~ is the user's home, if there is one."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)
