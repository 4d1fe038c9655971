"""Files of strangers: regular ones are read, up to a limit; pipes, sockets, devices and folders are refused at once."""

import os
import socket
from pathlib import Path

import pytest

from tyllm_base.errors import CheckpointError
from tyllm_base.regular_file import decoded, read_regular_file


def refusal(path, max_bytes=100):
    with pytest.raises(CheckpointError) as caught:
        read_regular_file(path, CheckpointError, "download it again", max_bytes)
    return str(caught.value)


def test_a_file_up_to_the_limit_is_read_through_links_too(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 100)
    (tmp_path / "link").symlink_to("file")
    assert read_regular_file(tmp_path / "link", CheckpointError, "cure", 100) == b"x" * 100
    assert "is longer than the 99 bytes that such a file may have; download it again." in refusal(tmp_path / "file", 99)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == f"{tmp_path / 'pipe'} is a named pipe and not a file; download it again."
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        assert "socket is a socket and not a file" in refusal(tmp_path / "socket")
    assert "is a folder and not a file" in refusal(tmp_path)
    assert "is a device and not a file" in refusal(Path("/dev/zero"))
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert "is a device and not a file" in refusal(tmp_path / "zero")


def test_what_becomes_a_pipe_after_the_look_is_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    mode = Path(__file__).stat()
    monkeypatch.setattr(Path, "stat", lambda path: mode)
    assert "is a named pipe and not a file" in refusal(tmp_path / "pipe")


def test_refusals_name_the_cure(tmp_path):
    assert refusal(tmp_path / "a") == f"{tmp_path / 'a'} is missing; download it again."
    (tmp_path / "b").touch()
    assert "a part of the path is a file" in refusal(tmp_path / "b" / "c")
    (tmp_path / "circle").symlink_to("circle")
    assert "its symbolic links go round in a circle" in refusal(tmp_path / "circle")
    assert "the name is too long" in refusal(tmp_path / ("n" * 300))
    assert "a\\x00b' is no path of a file (embedded null byte)" in refusal(Path("a\0b"))


def test_a_failing_disk_is_a_sentence(tmp_path):
    refused = refusal(Path("/proc/self/mem"))
    assert "Cannot read /proc/self/mem: the disk or the connection to it failed" in refused


def test_no_descriptor_stays_open(tmp_path):
    (tmp_path / "file").touch()
    before = len(list(Path("/proc/self/fd").iterdir()))
    read_regular_file(tmp_path / "file", CheckpointError, "cure", 1)
    refusal(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_text_is_utf_8_with_or_without_a_byte_order_mark():
    assert decoded("\ufeffé".encode(), "x", CheckpointError) == "é"
    assert decoded("\ufeffé".encode(), "x", CheckpointError, skip_bom=False) == "\ufeffé"
    for content in ("é".encode("latin-1"), "a".encode("utf-16"), b"\xed\xa0\x80"):
        with pytest.raises(CheckpointError, match=r"x is not UTF-8 text \(.* at byte 0\); convert it to UTF-8\.$"):
            decoded(content, "x", CheckpointError)
