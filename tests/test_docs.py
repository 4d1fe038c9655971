"""The documents' lines can be read, and the paths, links and documents that they name exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("docs", "models", "scripts")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))])
LONGEST = 150  # characters of a line
PLACES = ("docs", "examples", "models", "scripts", "src", "tests")
FENCES = re.compile(r"^```.*?^```|^    .*?$", re.DOTALL | re.MULTILINE)


def prose(document: Path) -> str:
    """A document without its code blocks."""
    return FENCES.sub("", document.read_text(encoding="utf-8"))


def named_paths(text: str) -> set[str]:
    """What stands in backticks and looks like a path of the repository; patterns and placeholders are left out."""
    named = re.findall(r"`([\w.][\w./-]*)(?:::\w+)?`", text)
    return {name for name in named if name.split("/")[0] in PLACES and "/" in name}


def is_there(path: str) -> bool:
    """Whether a path exists in the repository."""
    return (ROOT / path).exists()


@pytest.fixture(params=DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def document(request) -> Path:
    return request.param


def test_lines_are_short(document):
    long = [
        f"{document.name}:{number}: {len(line)} characters"
        for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > LONGEST
    ]
    assert not long


def test_paths_exist(document):
    assert not [path for path in sorted(named_paths(prose(document))) if not is_there(path)]


def test_relative_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)\s]+)\)", prose(document))
    relative = [link.partition("#")[0] for link in links if "://" not in link and not link.startswith("#")]
    assert not [link for link in relative if not (document.parent / link).exists()]


def test_source_files_exist(document):
    files = re.findall(r"`([\w./-]*\w\.(?:c|h|py))`", prose(document))
    known = [f"/{path.relative_to(ROOT)}" for folder in PLACES for path in (ROOT / folder).rglob("*.*")]
    assert not [name for name in files if not any(path.endswith(f"/{name}") for path in known)]


@pytest.mark.parametrize("folder", ["docs", "docs/log"])
def test_every_document_is_in_the_index(folder):
    index = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    others = [path.name for path in (ROOT / folder).glob("*.md") if path.name != "README.md"]
    assert others and not [name for name in others if f"`{name}`" not in index]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 160


def test_a_missing_path_is_found():
    found = named_paths("`src/awq/auto.py`, `src/nowhere.py`, `tyllm`, `out/made`, `docs/log/`")
    assert found == {"src/awq/auto.py", "src/nowhere.py", "docs/log/"}
    assert [path for path in sorted(found) if not is_there(path)] == ["src/nowhere.py"]


def test_entries_of_the_log_say_when_where_what_was_expected_and_what_came():
    for path in (ROOT / "docs" / "log").glob("*.md"):
        entries = path.read_text(encoding="utf-8").split("\n## ")[1:]
        assert entries or path.name == "README.md"
        for entry in entries:
            fields = re.findall(r"^- \*\*(\w+):\*\* ", entry, re.MULTILINE)
            assert fields == ["Date", "Machine", "Prediction", "Outcome"], entry.splitlines()[0]


def test_named_tests_exist(document):
    named = re.findall(r"`(tests/[\w./]+\.py)::(\w+)`", document.read_text(encoding="utf-8"))
    missing = [f"{file}::{name}" for file, name in named if f"def {name}(" not in (ROOT / file).read_text()]
    assert not missing
