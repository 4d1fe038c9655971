"""A refusal that was met in writing becomes our sentence; one that names another file passes."""

import errno
import tempfile

import pytest

from tyllm_base.errors import OutputError
from tyllm_base.write_errors import code_in, explained

OURS = {errno.ENOENT, errno.ECHILD, errno.EBADF}
EVERY = sorted(errno.errorcode.keys() - OURS)


@pytest.mark.parametrize("code", EVERY)
def test_every_refusal_is_a_sentence_with_a_cure(tmp_path, code):
    with pytest.raises(OutputError, match=r"^Cannot write .*; .*\.$") as caught, explained(tmp_path):
        raise OSError(code, "words")
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("name", ["out", "out/deep/file", ".out.tyllm.tmp/file", "out.partial/state.json", "."])
def test_what_belongs_to_the_place(tmp_path, name):
    with pytest.raises(OutputError, match=f"^Cannot write {tmp_path}/out: "), explained(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "denied", str(tmp_path / name))


@pytest.mark.parametrize("name", ["other", "other/out", "out2", "outer/x"])
def test_what_does_not(tmp_path, name):
    with pytest.raises(PermissionError), explained(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "denied", str(tmp_path / name))


def test_a_full_disk_is_one_whichever_file_it_names(tmp_path):
    with pytest.raises(OutputError, match="the disk is full"), explained(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "full", "/elsewhere/source", None, str(tmp_path / "out" / "copy"))


def test_our_temporary_files_belong_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with pytest.raises(OutputError), explained(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "denied", str(tmp_path / "tmp" / "tyllm-1" / "x.s"))
    with pytest.raises(PermissionError), explained(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "denied", str(tmp_path / "tmp" / "checkpoint" / "config.json"))


def test_through_links(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(OutputError), explained(tmp_path / "link" / "out"):
        raise PermissionError(errno.EACCES, "denied", str(tmp_path / "real" / ".out.tyllm.lock"))


@pytest.mark.parametrize("code", sorted(OURS))
def test_what_is_missing_and_has_no_name_is_a_mistake_of_ours(tmp_path, code):
    with pytest.raises(OSError, match="a bug") as passed, explained(tmp_path):
        raise OSError(code, "a bug")
    assert not isinstance(passed.value, OutputError)
    with pytest.raises(OutputError), explained(tmp_path):
        raise OSError(code, "gone", str(tmp_path / "state.json"))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("ld: final link failed: No space left on device", errno.ENOSPC),
        ("cannot write: File too large", errno.EFBIG),
        ("collect2: fatal error: ld terminated with signal 25 [File size limit exceeded], core dumped", errno.EFBIG),
        ("cc failed with status -25: no message", errno.EFBIG),
        ("ld: Disk quota exceeded", errno.EDQUOT),
        ("as: Input/output error", errno.EIO),
        ("error: unknown type name", None),
    ],
)
def test_what_programs_say_in_words(words, code):
    assert code_in(words) == code
