"""JSON that is missing, broken or no object gives a sentence."""

import pytest

from tyllm.package.json_file import read_json, read_json_if_there, write_json
from tyllm_base.errors import PackageError


def test_round_trip(tmp_path):
    write_json(tmp_path / "x.json", {"ü": [1]})
    assert read_json(tmp_path / "x.json") == {"ü": [1]}


def test_what_is_not_there(tmp_path):
    assert read_json_if_there(tmp_path / "x.json") == {}
    (tmp_path / "theirs.json").write_text('{"time_step_limit": [0.0, Infinity]}')
    assert read_json_if_there(tmp_path / "theirs.json") == {"time_step_limit": [0.0, float("inf")]}
    with pytest.raises(PackageError, match="Infinity is no number of JSON"):
        read_json(tmp_path / "theirs.json")
    with pytest.raises(PackageError, match="Cannot read"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("text", "words"), [("{", "is not JSON"), ("[]", "holds a list"), (b"\xff\xfe", "is not JSON")]
)
def test_what_is_wrong(tmp_path, text, words):
    (tmp_path / "x.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PackageError, match=words):
        read_json(tmp_path / "x.json")
