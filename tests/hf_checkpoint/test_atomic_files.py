"""Files appear whole or not at all; the system's refusals become sentences."""

import errno
import json

import pytest

from hf_checkpoint.atomic_files import explained, make_folder, replacing, write_json
from tyllm_errors import OutputError


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"x": "é"})
    with pytest.raises(RuntimeError), replacing(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"x": "é"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission"),
        (errno.EIO, "sick disk"),
    ],
)
def test_refusals_are_explained(tmp_path, code, message):
    with pytest.raises(OutputError, match=message) as caught, explained(tmp_path):
        raise OSError(code, "sick disk")
    assert caught.value.exit_code == 7


def test_a_folder_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a part of the path is a file"):
        make_folder(tmp_path / "file" / "folder")
