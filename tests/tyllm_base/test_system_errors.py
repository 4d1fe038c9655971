"""Every refusal of the system to read or write is a sentence with a cure, of the class that the file asks for."""

import errno
import os
import re
from pathlib import Path

import pytest

from tyllm_base.errors import CheckpointError, OutputError, PackageError, SettingError
from tyllm_base.system_errors import REFUSALS, load_refusal, read_refusal, reading, write_refusal

SENTENCE = re.compile(r"^Cannot \w+ /a/b: [^;{}]+; [^{}]+\.$")


@pytest.mark.parametrize("code", sorted(errno.errorcode))
@pytest.mark.parametrize("kind", [PackageError, CheckpointError, SettingError])
def test_every_number_of_the_system_is_a_sentence(code, kind):
    error = OSError(code, os.strerror(code), "/secret")
    for refusal in (read_refusal("/a/b", error, kind), write_refusal(Path("/a/b"), code)):
        assert SENTENCE.match(str(refusal))
    assert type(read_refusal("/a/b", error, kind)) is kind
    assert type(write_refusal(Path("/a/b"), code)) is OutputError


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (errno.EMFILE, "ulimit -n"),
        (errno.ENFILE, "fs.file-max"),
        (errno.EACCES, "let this user read it"),
        (errno.EIO, "dmesg"),
        (errno.ESTALE, "mount it again"),
        (errno.ENAMETOOLONG, "shorter path"),
        (errno.ELOOP, "point them"),
        (errno.ENOMEM, "ulimit -v"),
        (errno.ENOENT, "compile the model again"),
    ],
)
def test_the_cure_is_that_of_reading(code, cure):
    with pytest.raises(PackageError, match=re.escape(cure)) as caught, reading("/a/b", PackageError):
        raise OSError(code, "sick disk")
    assert caught.value.exit_code == 6
    assert isinstance(caught.value.__cause__, OSError)


def test_how_to_get_the_file_anew_depends_on_the_file():
    missing = OSError(errno.ENOENT, "gone")
    assert "download" in str(read_refusal("/a/b", missing, CheckpointError))
    assert str(read_refusal("/a/b", missing, SettingError, "give a text file")).endswith("; give a text file.")


def test_an_error_without_a_number_keeps_its_words():
    assert str(read_refusal("/a/b", OSError("odd"), SettingError)) == "Cannot read /a/b: odd; check the path."
    assert str(read_refusal("/a/b", OSError(), SettingError)) == "Cannot read /a/b: OSError; check the path."


def test_the_table_has_both_cures():
    assert all(refusal.reason and refusal.to_read and refusal.to_write for refusal in REFUSALS.values())


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("x.so: failed to map segment from shared object: Operation not permitted", "mounted noexec"),
        ("x.so: failed to map segment from shared object", "mounted noexec"),
        ("x.so: failed to map segment from shared object: Cannot allocate memory", "ulimit -v"),
        ("x.so: cannot open shared object file: Permission denied", "let this user read it"),
        ("x.so: cannot open shared object file: Too many open files", "ulimit -n"),
        ("x.so: invalid ELF header", "compile the model again"),
    ],
)
def test_the_dynamic_linker_is_understood(said, sentence):
    refusal = load_refusal("/a/b", OSError(said))
    assert str(refusal).startswith("Cannot load /a/b") and sentence in str(refusal)
