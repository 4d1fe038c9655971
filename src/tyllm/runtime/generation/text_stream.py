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


Characters = list[tuple[str, bool]]
"""Characters, and whether each is shown."""


class StopStrings:
    """Cuts a text before the first stop string, holding back what may be the beginning of one.

    Attributes:
        found: the stop string that ended the text; None for none yet.
    """

    def __init__(self, stops: Sequence[str], *, included: bool = False) -> None:
        """Search for any of `stops`; with `included` the text ends behind the one that is found."""
        self._stops, self._included = tuple(stops), included
        self._held: Characters = []
        self.found: str | None = None

    def push(self, piece: str, *, shown: bool = True, searched: bool = True) -> str:
        """The text that is certain now; nothing more comes after `found`.

        Args:
            piece: what comes next.
            shown: False for special tokens that are left out of the text, which stop strings may have all the same.
            searched: False where no stop string may end the text yet.
        """
        if self.found is not None:
            return ""
        characters = self._held + [(character, shown) for character in piece]
        text = "".join(character for character, _ in characters)
        if searched and (ends := [(at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]):
            at, self.found = min(ends)
            self._held = []
            return _visible(characters[:at]) + (self.found if self._included else "")
        kept = len(text) - max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = characters[kept:]
        return _visible(characters[:kept])

    def flush(self) -> str:
        """The text that was held back and was no stop string after all."""
        characters, self._held = self._held, []
        return _visible(characters)


def _visible(characters: Characters) -> str:
    return "".join(character for character, shown in characters if shown)


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` with which `stop` begins."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
