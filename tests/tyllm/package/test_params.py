"""Parameters are mapped at multiples of 64 bytes, and safetensors' own library reads the same file."""

import json

import numpy as np
import pytest

from tyllm.package import Params, write_params
from tyllm.package.params import params_data
from tyllm_base.errors import PackageError


@pytest.fixture
def tensors():
    random = np.random.default_rng(0)
    return {
        "a": random.standard_normal((3, 5)).astype(np.float16),
        "b": random.integers(0, 255, (64,), dtype=np.uint8),
        "c": np.float32(2.5).reshape(()),
        "none": np.zeros((0, 4), np.int64),
        "d": random.standard_normal((7,)).astype(np.float32),
    }


def test_tensors_come_back_and_are_aligned(tmp_path, tensors):
    write_params(tmp_path / "x.params", tensors)
    params = Params(tmp_path / "x.params")
    assert params.tensors.keys() == tensors.keys()
    assert params.address % 64 == 0
    for name, tensor in tensors.items():
        assert np.array_equal(params.tensors[name], tensor)
        assert params.tensors[name].dtype == tensor.dtype
        assert params.tensors[name].ctypes.data % 64 == 0 or tensor.size == 0


def test_the_data_section_alone(tmp_path, tensors):
    write_params(tmp_path / "x.params", tensors)
    params, data = Params(tmp_path / "x.params"), params_data(tmp_path / "x.params")
    assert np.array_equal(data, params.data) and data.ctypes.data % 64 == 0
    params.close()
    assert not params.tensors and params.data.size == 0
    with pytest.raises(PackageError, match="is missing"):
        params_data(tmp_path / "y.params")


def test_mapped_tensors_cannot_be_written(tmp_path, tensors):
    write_params(tmp_path / "x.params", tensors)
    with pytest.raises(ValueError, match="read-only"):
        Params(tmp_path / "x.params").tensors["b"][0] = 1


def test_safetensors_reads_it(tmp_path, tensors):
    from safetensors.numpy import load_file

    write_params(tmp_path / "x.params", tensors)
    loaded = load_file(tmp_path / "x.params")
    assert all(np.array_equal(loaded[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("data", [b"", b"123", b"\xff" * 8, b"\x38" + b"\0" * 7 + b"{" * 56])
def test_damaged_file(tmp_path, data):
    (tmp_path / "x.params").write_bytes(data)
    with pytest.raises(PackageError, match=r"compile the model again\.$"):
        Params(tmp_path / "x.params")


def test_missing_file(tmp_path):
    with pytest.raises(PackageError, match="is missing; compile the model again"):
        Params(tmp_path / "x.params")


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [4], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [400], "data_offsets": [0, 1600]},
        {"dtype": "F3", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1]},
    ],
)
def test_damaged_entry(tmp_path, entry):
    text = json.dumps({"t": entry}).encode().ljust(120)
    (tmp_path / "x.params").write_bytes(len(text).to_bytes(8, "little") + text + bytes(64))
    with pytest.raises(PackageError, match=r"is damaged|says what cannot be"):
        Params(tmp_path / "x.params")


@pytest.mark.parametrize("second", [[0, 64], [32, 64], [128, 192]])
def test_tensors_over_each_other_or_apart(tmp_path, second):
    file = tmp_path / "x.params"
    entries = {"a": [0, 64], "b": second}
    entry = {name: {"dtype": "U8", "shape": [at[1] - at[0]], "data_offsets": at} for name, at in entries.items()}
    header = json.dumps(entry).encode()
    header += b" " * (-(8 + len(header)) % 64)
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(second[1]))
    with pytest.raises(PackageError, match="is damaged"):
        Params(file)
