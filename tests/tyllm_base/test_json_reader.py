"""The strict JSON reader: one meaning for each text, and a sentence for all others."""

import json
import math
import time

import pytest

from tyllm_base import json_reader
from tyllm_base.errors import CheckpointError, PackageError
from tyllm_base.json_reader import MAX_DEPTH, parse_json, read_json

REFUSED = {
    b"": "Expecting value",
    b"{": "Expecting property name",
    b'{"a": 1}}': "Extra data",
    b'{"a": 1, "a": 1}': "the key 'a' is there twice",
    b'[{"b": {"c": 1, "d": 2, "c": 3}}]': "the key 'c' is there twice",
    b"[NaN]": "NaN is no number of JSON",
    b'{"a": -Infinity}': "-Infinity is no number",
    b"[1e999]": "the number 1e999 is too large",
    b"[0." + b"1" * 401 + b"]": "too long",
    b"[" + b"9" * 41 + b"]": "has 41 digits",
    b"[" + b"9" * 5000 + b"]": "has 5,000 digits",
    b"\xef\xbb\xbf{}": "byte order mark, which JSON has not: save it as UTF-8 without BOM",
    "{}".encode("utf-16"): "it is not UTF-8",
    b'{"a": "\xff"}': "it is not UTF-8: invalid start byte at byte 7",
    b'{"a": "\\ud800"}': "half of a surrogate pair",
    b'{"\\udc00": 1}': "half of a surrogate pair",
    b'{"a": "\x00"}': "Invalid control character",
    b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1): f"nests more than {MAX_DEPTH}",
    b'{"a":' * 65 + b"1" + b"}" * 65: f"nests more than {MAX_DEPTH}",
    b"[" * 100_000: "nests more than",
    b"[" * 100_000 + b"]" * 100_000: "nests more than",
}


@pytest.mark.parametrize("content", REFUSED, ids=range(len(REFUSED)))
def test_refused(content):
    with pytest.raises(ValueError, match=REFUSED[content]):
        parse_json(content)


def test_read_as_written():
    value = {"a": [1, -(2**63), 2**64 - 1, 1.5, True, None, "é\U0001f600"], "b": {"": {}}}
    for ascii_only in (True, False):
        assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value
    assert type(parse_json(b"1.0")) is float
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert json.dumps(parse_json(deepest)).encode() == deepest


def test_what_transformers_writes_is_read():
    written = json.dumps({"model_max_length": int(1e30), "time_step_limit": [0.0, math.inf]}).encode()
    assert parse_json(written, constants=True) == {"model_max_length": int(1e30), "time_step_limit": [0.0, math.inf]}


def test_the_number_of_values_is_limited(monkeypatch):
    monkeypatch.setattr(json_reader, "MAX_VALUES", 10)
    assert parse_json(b"[0,1,2,3,4,5,6,7,8,9]")
    for many in (b"[" + b"0," * 10 + b"0]", b"{" * 11, b"[" * 11):
        with pytest.raises(ValueError, match="more than 10 values"):
            parse_json(many)


def test_the_longest_text_takes_seconds_at_most():
    start = time.process_time()
    value = parse_json(b"[" + b"{}," * (json_reader.MAX_VALUES // 4) + b"{}]")
    assert len(value) == json_reader.MAX_VALUES // 4 + 1
    assert time.process_time() - start < 4


def test_a_file_is_read_and_errors_name_it(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"é": 1}', encoding="utf-8")
    assert read_json(path, CheckpointError, "download it again") == {"é": 1}
    path.write_text("[1]")
    with pytest.raises(CheckpointError, match=r"x\.json holds a JSON list instead of an object; download it again\.$"):
        read_json(path, CheckpointError, "download it again")
    path.write_text('{"a": 1, "a": 2}')
    with pytest.raises(PackageError, match=r"x\.json is not valid JSON \(the key 'a' is there twice\); compile"):
        read_json(path, PackageError, "compile the model again")
    with pytest.raises(PackageError, match=r"x\.json is longer than the 4 bytes"):
        read_json(path, PackageError, "compile the model again", max_bytes=4)
    path.unlink()
    with pytest.raises(PackageError, match=r"x\.json is missing; compile the model again\.$"):
        read_json(path, PackageError, "compile the model again")
