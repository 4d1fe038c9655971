"""Documents of every kind of source, and what each wrong one gets."""

import json
import re
import sys
from types import ModuleType

import pytest

from awq.calibration.source import BUNDLED, documents_of
from tyllm_base.errors import CalibrationError

TALK = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello!"}]


@pytest.fixture
def lines(tmp_path):
    """Writes a .jsonl file."""

    def write(*rows):
        path = tmp_path / "data.jsonl"
        path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
        return path

    return write


def refused(source, message, **options):
    with pytest.raises(CalibrationError, match=message) as caught:
        documents_of(source, **options)
    assert caught.value.exit_code == 4


def test_our_own_text():
    documents = documents_of("bundled")
    assert documents == documents_of(None)
    assert {type(document) for document in documents} == {str, list}
    assert 150_000 < BUNDLED.stat().st_size < 250_000


@pytest.mark.parametrize(
    ("script", "first", "last", "least"),
    [
        ("Han", "\u4e00", "\u9fff", 12_000),
        ("Kana", "\u3040", "\u30ff", 1_500),
        ("Hangul", "\uac00", "\ud7af", 1_500),
        ("Cyrillic", "\u0400", "\u04ff", 2_500),
        ("Arabic", "\u0600", "\u06ff", 2_000),
        ("Devanagari", "\u0900", "\u097f", 1_500),
        ("Latin", "A", "z", 90_000),
    ],
)
def test_our_own_text_has_many_scripts(script, first, last, least):
    text = BUNDLED.read_text(encoding="utf-8")
    assert sum(first <= character <= last for character in text) > least, script


def test_our_own_text_has_no_held_out_text(repo):
    def phrases(text):
        words = re.findall(r"[^\W\d_]{2,}", text)
        return {tuple(words[i : i + 12]) for i in range(len(words) - 11)}

    held_out = phrases((repo / "src" / "tyllm" / "evaluate" / "heldout.txt").read_text(encoding="utf-8"))
    own = [document for document in documents_of(None) if isinstance(document, str)]
    assert len(held_out) > 5000 and not held_out & set().union(*map(phrases, own))


def test_lists():
    assert documents_of(["a", "b"]) == ["a", "b"]
    assert documents_of([[1, 2], (3,)]) == [[1, 2], [3]]
    assert documents_of([TALK]) == [TALK]
    refused(["a", ["b"]], "mixes types")
    refused([1, 2], "mixes types")
    refused([[{"role": "user"}]], "mixes types")


def test_a_text_file(tmp_path):
    (tmp_path / "notes.md").write_text("hello")
    assert documents_of(tmp_path / "notes.md") == documents_of(str(tmp_path / "notes.md")) == ["hello"]


def test_a_file_that_is_not_text(tmp_path):
    (tmp_path / "x").write_bytes(b"\xff\xfe\xfa")
    refused(str(tmp_path / "x"), "is not UTF-8 text")


def test_a_jsonl_file(lines):
    assert documents_of(lines({"text": "one"}, "", {"messages": TALK})) == ["one", TALK]
    assert documents_of(lines({"body": "one\u2028two", "text": 3}), text_column="body") == ["one\u2028two"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "Line 2 of .*data.jsonl is no JSON"),
        ({"body": "one"}, "Line 2 of .* has neither a text under 'text' nor messages"),
        ({"messages": []}, "neither a text"),
        ({"messages": [{"from": "human"}]}, "neither a text"),
        ([1], "neither a text"),
    ],
)
def test_a_line_in_another_form(lines, row, message):
    refused(lines({"text": "one"}, row), message)


def test_a_dataset(monkeypatch):
    module = ModuleType("datasets")
    module.load_dataset = lambda name, split: {("some/set", "test"): [{"text": "a"}, {"messages": TALK}]}[name, split]
    monkeypatch.setitem(sys.modules, "datasets", module)
    assert documents_of("some/set", "test") == ["a", TALK]
    refused("other/set", "dataset 'other/set' .* cannot be loaded .* give 'bundled', 'self', a text or .jsonl file")


def test_a_dataset_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    refused("no/such/file", "'no/such/file' is no file, and datasets is not installed; give 'bundled', 'self'")


def test_images_lie_beside_the_file(lines):
    content = [{"type": "image", "image": "a.png"}, {"type": "text", "text": "What?"}]
    path = lines({"messages": [{"role": "user", "content": content}]})
    ((message,),) = documents_of(path)
    assert message["content"] == [{"type": "image", "image": str(path.parent / "a.png")}, content[1]]
    assert documents_of([[{"role": "user", "content": content}]])[0][0]["content"][0]["image"] == "a.png"


def test_a_part_that_is_no_image(lines):
    row = {"messages": [{"role": "user", "content": [{"type": "video", "video": "a.mp4"}]}]}
    refused(lines(row), r"Line 1 of .* has neither a text under 'text' nor messages")


def test_files_of_windows_editors_are_read_and_strange_json_is_a_sentence(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffé".encode())
    assert documents_of(tmp_path / "a.txt") == ["é"]
    for line in ("[" * 100_000, '{"text": "a", "text": "b"}', '{"text": "\\ud800"}'):
        (tmp_path / "a.jsonl").write_text(line)
        refused(str(tmp_path / "a.jsonl"), "Line 1 of .* is no JSON")
