"""The corpus keeps held-out files apart and pairs questions into conversations."""

import json

import corpus
from corpus import PACKAGES, collect, conversations, sources, write_lines


def test_sources_are_named_below_their_folder(tmp_path):
    for name in ("a/_sources/library/heapq.rst.txt", "b/_sources/library/heapq.rst.txt", "a/other.rst.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert sources(tmp_path) == {"library/heapq": "a/_sources/library/heapq.rst.txt"}


def test_held_out_files_are_in_no_document(monkeypatch):
    def unpack(package, folder):
        for name in ("library/heapq", "library/json"):
            path = folder / package / "_sources" / f"{name}.rst.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"All about {name}. " * 40)

    monkeypatch.setattr(corpus, "unpack", unpack)
    documents, held_out, _ = collect(PACKAGES[:1])
    assert [text.split(".")[0] for text in documents] == ["All about library/json"]
    assert [text.split(".")[0] for text in held_out] == ["All about library/heapq"]


def test_every_third_conversation_goes_on():
    chats = conversations([(f"q{i}", f"a{i}") for i in range(9)])
    assert [len(chat) for chat in chats] == [4, 2, 2, 4, 2, 2, 4, 2, 2]
    assert all(turn["role"] == ("user", "assistant")[i % 2] for chat in chats for i, turn in enumerate(chat))


def test_lines_are_json(tmp_path):
    write_lines(tmp_path / "x.jsonl", ["ü\n", "b"])
    assert [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()] == ["ü\n", "b"]
