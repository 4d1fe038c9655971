"""A chat about an image, drawn as it went: the image, the questions, and what a package answered.

python scripts/image_chat.py PACKAGE docs/chat.svg [--seed 3]
"""

import argparse
import base64
import io
import random
import sys
from html import escape
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "models"))
from drawing import draw, random_scene

from tyllm.runtime import Session

QUESTIONS = ("Describe the picture.", "How many shapes are there?", "What is at the top left?", "Is there a star?")
WIDTH, LINE, MARGIN, SCALE = 760, 22, 20, 2
TEXT = 'font-family="monospace" font-size="14"'


def chat(package: Path, image: Any, questions: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each question with its answer; the image goes with the first."""
    messages: list[dict[str, Any]] = []
    turns = []
    with Session(package) as session:
        for question in questions:
            images = [] if messages else [{"type": "image", "image": image}]
            messages.append({"role": "user", "content": [*images, {"type": "text", "text": question}]})
            answer = session.chat(messages, max_new_tokens=80).text
            messages.append({"role": "assistant", "content": answer})
            turns.append((question, answer))
    return turns


def wrapped(text: str, columns: int) -> list[str]:
    """Lines of at most so many characters."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= columns:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def svg(image: Any, turns: list[tuple[str, str]], title: str) -> str:
    """The image on the left, the chat on the right."""
    file = io.BytesIO()
    image.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    width, height = (SCALE * side for side in image.size)
    left = 2 * MARGIN + width
    columns = int((WIDTH - left - MARGIN) / 8.6)
    lines: list[tuple[str, str]] = []
    for question, answer in turns:
        lines += [("#5b6b82", f"{'> ' if i == 0 else '  '}{part}") for i, part in enumerate(wrapped(question, columns))]
        lines += [("#111827", f"  {part}") for part in wrapped(answer, columns)] + [("", "")]
    tall = max(height, LINE * len(lines)) + 2 * MARGIN + LINE
    texts = "\n".join(
        f'<text x="{left}" y="{MARGIN + LINE * row}" fill="{color}" {TEXT} xml:space="preserve">{escape(line)}</text>'
        for row, (color, line) in enumerate(lines, start=2)
        if line
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {tall}" width="{WIDTH}" height="{tall}">\n'
        f'<rect width="100%" height="100%" rx="8" fill="#f8fafc" stroke="#cbd5e1"/>\n'
        f'<text x="{MARGIN}" y="{MARGIN + 12}" fill="#64748b" {TEXT}>{escape(title)}</text>\n'
        f'<image x="{MARGIN}" y="{MARGIN + LINE}" width="{width}" height="{height}" '
        f'href="data:image/png;base64,{data}"/>\n{texts}\n</svg>\n'
    )


def main() -> None:
    """Draw a scene, chat about it, write the drawing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    image = draw(random_scene(random.Random(f"chat {options.seed}"), 112, 168, (4, 5)))
    turns = chat(options.package, image, QUESTIONS)
    title = f"tyllm chat {options.package.name}  ·  /image image.png"
    options.output.write_text(svg(image, turns, title), encoding="utf-8")
    for question, answer in turns:
        print(f"> {question}\n{answer}")


if __name__ == "__main__":
    main()
