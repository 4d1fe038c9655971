"""Files appear whole or not at all; a killed writer's remains are taken over by the next."""

import errno
import json
import os
import threading

import pytest
from tests.killed import killed_at_each_call

from tyllm_base import atomic_files
from tyllm_base.atomic_files import atomic_file, make_folder, write_json
from tyllm_base.errors import OutputError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"x": "é"})
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"x": "é"}
    assert names(tmp_path) == ["a.json"]


def test_killed_at_each_call_it_is_old_or_new(tmp_path):
    seen = set()
    for _ in killed_at_each_call(lambda: write_json(tmp_path / "a", "old"), lambda: write_json(tmp_path / "a", "new")):
        seen.add(json.loads((tmp_path / "a").read_text()))
        write_json(tmp_path / "a", "next")
        assert names(tmp_path) == ["a"] and (tmp_path / "a").read_text() == '"next"\n'
    assert seen == {"old", "new"}


def test_writers_at_the_same_time_mix_nothing(tmp_path):
    texts = [[number] * 5000 for number in range(6)]
    threads = [threading.Thread(target=write_json, args=(tmp_path / "a", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads((tmp_path / "a").read_text()) in texts and names(tmp_path) == ["a"]


def test_it_is_on_the_disk_before_the_rename_and_the_name_after(tmp_path, monkeypatch):
    done, replace = [], os.replace
    monkeypatch.setattr(atomic_files, "sync_file", lambda path: done.append(path.name))
    monkeypatch.setattr(atomic_files, "sync_folder", lambda path: done.append(path.name))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("replace"), replace(*paths)))
    write_json(tmp_path / "a", 1)
    assert done == ["a.tmp", "replace", tmp_path.name]
    done.clear()
    with atomic_file(tmp_path / "a", durable=False) as temporary:
        temporary.write_text("x")
    assert done == ["replace"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "a").symlink_to("real/a")
    write_json(tmp_path / "a", 1)
    assert (tmp_path / "a").is_symlink() and (tmp_path / "real" / "a").read_text() == "1\n"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, r"the disk is full; .* again, half is kept\.$"),
        (errno.EROFS, r"read-only; choose another folder\.$"),
        (errno.EIO, r"^Cannot write .*a; .*dmesg"),
        (errno.EFBIG, "ulimit -f"),
    ],
)
def test_refusals_are_sentences(tmp_path, code, message):
    with pytest.raises(OutputError, match=message.replace("a; ", "a: ")), atomic_file(tmp_path / "a", "half is kept"):
        raise OSError(code, "sick disk")
    assert names(tmp_path) == []


def test_a_folder_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a part of the path is a file"):
        make_folder(tmp_path / "file" / "folder")
