"""Passages of unpacked documents: markup and notes left out, cut between paragraphs, spread evenly over each source."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Passage = dict[str, str]  # kind, source and text
EMOJI = "[\U0001f000-\U0001faff\u2600-\u27bf\u200d\ufe0f]"


@dataclass(frozen=True)
class Source:
    """A selection: about so many kilobytes of one kind of text from files that are there, between two patterns."""

    kind: str
    kilobytes: int
    files: tuple[str, ...]
    start: str = ""
    end: str = r"\Z"

    def passages(self, folder: Path, step: int) -> Iterator[Passage]:
        """Passages of about `step` bytes, equally far apart."""
        files = [file for file in self.files if (folder / file).is_file()]
        found = [(file, text) for file in files for text in cut(self.paragraphs(folder / file), step)]
        total = sum(len(text.encode()) for _, text in found)
        wanted = -(-len(found) * min(self.kilobytes * 1000, total) // total)
        for i in range(wanted):
            file, text = found[(2 * i + 1) * len(found) // (2 * wanted)]
            yield {"kind": self.kind, "source": file, "text": text}

    def paragraphs(self, path: Path) -> list[str]:
        """The file's paragraphs, as plain text."""
        text = path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
        body = re.search(f"{self.start}.*?(?={self.end})", text, re.DOTALL)
        if body is None:
            raise ValueError(f"{path} has no {self.start!r}")
        text = plain(path, body[0])
        return [paragraph.strip("\n") for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip()]


def plain(path: Path, text: str) -> str:
    """`text` without markup that is not meant for readers, and without an editor's notes."""
    if path.suffix == ".html":
        return from_html(text)
    if path.suffix == ".md":
        text = re.sub(
            r"^ *(?:\{!.*|!\[.*|---|===.*)$|</?(?:a|abbr|div|font|img|span|strong|u)\b[^>]*>|\{\.[^}]*\}",
            "",
            text,
            flags=re.MULTILINE,
        )
        text = re.sub(f"({EMOJI}){EMOJI}+", r"\1", text)  # one of a row of clocks is enough
        return re.sub(r"^ *```\w*(?: hl_lines=.*)?\n\s*```$", "", text, flags=re.MULTILINE)
    text = re.sub(r"注释：.*?(?=-{10,}|\Z)", "", text, flags=re.DOTALL)
    return re.sub(r"[①-⑳〔〕]|-{10,}|\n[ \u3000]+(?=[\u3000-\u9fff])", lambda m: "\n" if "\n" in m[0] else "", text)


def from_html(text: str) -> str:
    """The running text of a page, from its first heading on."""
    text = text[text.find("<h1") :]
    text = re.sub(r"<(script|style|svg|button)\b.*?</\1>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"</?(?:p|pre|h\d|li|ul|ol|blockquote|tr|dt|dd|section|div)\b[^>]*>", "\n\n", text)
    return html.unescape(re.sub(r"<[^>]*>", "", text)).replace("\xa0", " ")


def cut(paragraphs: list[str], step: int) -> Iterator[str]:
    """Paragraphs joined until they have `step` bytes; one that is far longer is left out, as is the rest."""
    joined: list[str] = []
    for paragraph in paragraphs:
        if len(paragraph.encode()) > 2 * step:
            continue
        joined.append(paragraph)
        if sum(len(part.encode()) for part in joined) >= step:
            yield "\n\n".join(joined)
            joined = []
