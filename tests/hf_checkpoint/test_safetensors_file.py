"""Safetensors files: what we write the reference library reads, and every damage has its sentence."""

import errno
import json

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from hf_checkpoint.safetensors_file import Blocks, read_header, write_safetensors
from tyllm_base.errors import CheckpointError, OutputError

TENSORS = {
    "a": np.arange(6, dtype=np.float16).reshape(2, 3),
    "b": np.array(7, np.int32),
    "c": np.empty((0, 4), np.int8),
}


def raw(header, data=b""):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def test_the_reference_library_reads_what_we_write(tmp_path):
    write_safetensors(tmp_path / "x.safetensors", TENSORS)
    found = load_file(tmp_path / "x.safetensors")
    assert all(np.array_equal(found[name], TENSORS[name]) for name in TENSORS)


def test_we_read_what_the_reference_library_writes(tmp_path):
    save_file(TENSORS | {"d": np.ones(3, ml_dtypes.bfloat16)}, tmp_path / "x.safetensors")
    found = read_header(tmp_path / "x.safetensors")
    assert all(np.array_equal(found[name].read(), TENSORS[name]) for name in TENSORS)
    assert found["d"].read().dtype == ml_dtypes.bfloat16


def test_blocks_are_written_one_after_the_other(tmp_path):
    whole = np.arange(12, dtype=np.int32).reshape(6, 2)
    write_safetensors(
        tmp_path / "x.safetensors",
        {"w": Blocks(whole.dtype, whole.shape, lambda: (whole[i : i + 2] for i in (0, 2, 4)))},
    )
    assert np.array_equal(load_file(tmp_path / "x.safetensors")["w"], whole)


def test_reading_never_changes_the_file(tmp_path):
    write_safetensors(tmp_path / "x.safetensors", TENSORS)
    before = (tmp_path / "x.safetensors").read_bytes()
    read_header(tmp_path / "x.safetensors")["a"].read()[:] = 5
    assert (tmp_path / "x.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"abc", "truncated or no safetensors file"),
        ((1 << 40).to_bytes(8, "little") + b"{}", "truncated or no safetensors file"),
        (raw("{")[:-1] + b"x", "damaged safetensors header"),
        (raw([1]), "damaged safetensors header"),
        (raw({"a": {"dtype": "F16", "shape": [2]}}), "damaged safetensors header"),
        (raw({"a": {"dtype": "F13", "shape": [2], "data_offsets": [0, 4]}}, bytes(4)), "type 'F13'"),
        (
            raw({"a": {"dtype": "F16", "shape": [3], "data_offsets": [0, 4]}}, bytes(4)),
            r"shape \[3\] of F16 but 4 bytes",
        ),
        (raw({"a": {"dtype": "F16", "shape": [2], "data_offsets": [2, 6]}}, bytes(6)), "starts at byte"),
        (raw({"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}}, bytes(3)), "is truncated: "),
        (raw({"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}}, bytes(5)), "is too long: "),
    ],
)
def test_each_damage_has_its_sentence(tmp_path, content, message):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_header(tmp_path / "x.safetensors")


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    def parts():
        yield np.zeros(4, np.int8)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="the disk is full"):
        write_safetensors(tmp_path / "x.safetensors", {"w": Blocks(np.dtype(np.int8), (8,), parts)})
    assert list(tmp_path.iterdir()) == []
