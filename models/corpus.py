"""The training text: documentation of Debian packages as plain text, held-out files, questions with answers.

    python models/corpus.py out/corpus        # about 10 s, needs the apt-get and dpkg of Debian 12

writes `documents.jsonl` (one text a line), `chats.jsonl` (one conversation a line) and `heldout.txt`.
"""

import argparse
import json
import random
import subprocess
import tempfile
from pathlib import Path

from documentation_questions import SMALL_TALK, questions_of
from rst_text import plain_text

# All under licenses that allow use and change: PSF (Python), BSD (Sphinx, Flask, Jinja2, Werkzeug), MIT (pytest).
PACKAGES = (
    "python3.11-doc",
    "sphinx-doc",
    "python-flask-doc",
    "python-jinja2-doc",
    "python-werkzeug-doc",
    "python-pytest-doc",
)
HELD_OUT = (  # whole files of the Python documentation that neither the tokenizer nor the model sees
    "library/bisect",
    "library/heapq",
    "library/queue",
    "library/sched",
    "library/shelve",
    "library/textwrap",
    "howto/sorting",
    "faq/gui",
    "tutorial/errors",
)
SMALL_TALK_TIMES = 20  # each greeting is said so often, among thousands of questions
SHORTEST = 400  # characters; what is shorter is a table of contents or a stub


def unpack(package: str, folder: Path) -> None:
    """Downloads a Debian package into `folder` and unpacks it there."""
    subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=True)
    (archive,) = folder.glob(f"{package}_*.deb")
    subprocess.run(["dpkg", "-x", archive, folder / package], check=True)


def sources(folder: Path) -> dict[str, str]:
    """The reST sources under `folder`: name below `_sources` without suffixes → content, repeated files once."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("_sources/**/*.rst.txt")):
        name = path.as_posix().split("_sources/", 1)[1].removesuffix(".rst.txt")
        found.setdefault(name, path.read_text(encoding="utf-8", errors="ignore"))
    return found


def collect(packages: tuple[str, ...]) -> tuple[list[str], list[str], list[tuple[str, str]]]:
    """Training documents, held-out documents, and (question, answer) pairs of the given packages."""
    documents: dict[str, None] = {}
    pairs: dict[str, str] = {}
    held_out = []
    with tempfile.TemporaryDirectory() as scratch:
        for package in packages:
            unpack(package, Path(scratch))
            for name, source in sources(Path(scratch) / package).items():
                text = plain_text(source)
                if package == packages[0] and name in HELD_OUT:
                    held_out.append(text)
                elif len(text) >= SHORTEST:
                    documents[text] = None
                    pairs.update(questions_of(source))
    return list(documents), held_out, [*SMALL_TALK * SMALL_TALK_TIMES, *pairs.items()]


def conversations(pairs: list[tuple[str, str]]) -> list[list[dict[str, str]]]:
    """One conversation per pair; every third one goes on with another pair, so that a second turn is known too."""
    pairs = random.Random(0).sample(pairs, len(pairs))
    turns = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in pairs]
    return [turn + turns[i + 1] if i % 3 == 0 and i + 1 < len(turns) else turn for i, turn in enumerate(turns)]


def write_lines(path: Path, items: list[str] | list[list[dict[str, str]]]) -> None:
    """Writes one JSON value a line."""
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8")


def main() -> None:
    """Reads the command line and writes the corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    documents, held_out, pairs = collect(PACKAGES)
    write_lines(output / "documents.jsonl", documents)
    write_lines(output / "chats.jsonl", conversations(pairs))
    (output / "heldout.txt").write_text("\n".join(held_out), encoding="utf-8")
    for path in sorted(output.iterdir()):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
