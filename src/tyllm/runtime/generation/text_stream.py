"""Text while it grows: tokens become whole characters, and stop strings are found across pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

UNFINISHED = "\ufffd"  # what a decoder gives for bytes that are no character (yet)


class TextStream:
    """Decodes tokens as they come, holding back those that end within a character.

    Only the tokens since the last whole piece are decoded again, together with that piece: decoders treat the first
    token of a text differently (a leading space), and so the piece is what is new behind the one before.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._before: list[int] = []  # the tokens of the last piece
        self._held: list[int] = []  # tokens that are not yet text

    def push(self, token: int) -> str:
        """The new whole characters; often empty."""
        self._held.append(token)
        text = self._new_text()
        if not text or text.endswith(UNFINISHED):
            return ""
        self._before, self._held = self._held, []
        return text

    def flush(self) -> str:
        """The text that is held back, with a replacement character for an unfinished one."""
        text = self._new_text() if self._held else ""
        self._before, self._held = self._held, []
        return text

    def _new_text(self) -> str:
        return self._decode(self._before + self._held)[len(self._decode(self._before)) :]


class StopStrings:
    """Cuts a text before the first stop string, holding back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.found = False

    def push(self, piece: str) -> str:
        """The text that is certain now; nothing more comes after `found`."""
        if self.found:
            return ""
        text = self._held + piece
        ends = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if ends:
            self.found, self._held = True, ""
            return text[: min(ends)]
        held = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def flush(self) -> str:
        """The text that was held back and was no stop string after all."""
        text, self._held = self._held, ""
        return text


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` with which `stop` begins."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
