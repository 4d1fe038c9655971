"""Archives of arrays: known names, types and shapes are read, all else is refused before memory is taken."""

import io
import zipfile

import numpy as np
import pytest

from tyllm.runtime.cache import npz_file
from tyllm.runtime.cache.npz_file import NpzFile

A, B = np.arange(6, dtype=np.int32).reshape(2, 3), np.asarray(["xy", ""], "U4")


def saved(save=np.savez, **arrays):
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


def refusal(content, name="a", dtype="<i4", shape=(2, 3), names=("a",)):
    with pytest.raises(ValueError) as caught:
        file = NpzFile(content, len(names))
        file.check_names(names)
        file.read(name, np.dtype(dtype), shape)
    return str(caught.value)


def test_what_is_expected_is_read():
    file = NpzFile(saved(a=A, b=B, empty=np.zeros((3, 0, 2), np.float16)), 3)
    file.check_names(["a", "b", "empty"])
    assert np.array_equal(file.read("a", np.dtype("<i4"), (2, None)), A)
    assert file.read("b", np.dtype("U64"), (None,)).tolist() == ["xy", ""]
    assert file.read("empty", np.dtype("<f2"), (3, 0, 2)).shape == (3, 0, 2)
    assert not file.read("a", np.dtype("<i4"), (2, 3)).flags.writeable


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (A.astype(np.int64), r"a is int64 \[2, 3\] and should be int32 \[2, 3\]"),
        (A.astype(">i4"), "a is >i4"),
        (A.T, r"a is int32 \[3, 2\]"),
        (np.asfortranarray(A), "a is int32"),
        (A[None], r"a is int32 \[1, 2, 3\]"),
        (A.astype("U3"), "a is <U3"),
        (np.zeros((2, 3), "V4"), r"a is \|V4"),
    ],
)
def test_other_types_and_shapes_are_refused(array, words):
    with pytest.raises(ValueError, match=words):
        NpzFile(saved(a=array), 1).read("a", np.dtype("<i4"), (2, 3))


def test_other_names_are_refused():
    assert refusal(saved(a=A), names=("a", "b")) == "b is missing"
    assert refusal(saved(a=A, b=B)) == "it has 'b' too"
    file = io.BytesIO(saved(a=A))
    with zipfile.ZipFile(file, "a") as out, pytest.warns(UserWarning, match="Duplicate name"):
        out.writestr("a.npy", b"")
    assert refusal(file.getvalue()) == "it has 'an array twice' too"


def test_pickles_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    trap = np.empty(6, object)
    trap[:] = [Trap()] * 6
    assert "a is object" in refusal(saved(a=trap.reshape(2, 3)))
    assert not (tmp_path / "sprung").exists()


def test_a_compressed_bomb_is_not_opened():
    content = saved(np.savez_compressed, a=np.zeros(10_000_000, np.int32))
    assert len(content) < 100_000
    assert refusal(content, shape=(None,)) == "a is compressed"


@pytest.mark.parametrize("shape", [(2**40,), (2**70,), (-1,), (2**62, 4), (0.5,), (3,)])
def test_a_shape_that_the_file_is_too_short_for_takes_no_memory(shape):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as out:
        text = f"{{'descr': '<i4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        out.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + b"1234")
    assert refusal(content.getvalue(), shape=(None,))


def test_a_header_that_is_no_header():
    for header in ("(" * 1000, "x" * 1025, "{'descr': '|O', 'fortran_order': 0, 'shape': ()}", "9" * 900, ""):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as out:
            out.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
        assert refusal(content.getvalue())
    for version in (b"\x02\x00", b"\x03\x00", b"\x09\x00"):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as out:
            out.writestr("a.npy", b"\x93NUMPY" + version + b"\x00" * 200)
        assert "version" in refusal(content.getvalue())


def test_a_directory_without_end_is_not_read(monkeypatch):
    monkeypatch.setattr(npz_file, "BY_CHANCE", 3)
    many = {f"a{number}": np.zeros(1) for number in range(5)}
    assert refusal(saved(**many)) == "it has too many arrays"
    assert refusal(b"PK\x05\x06") == "it is no .npz file: File is not a zip file"
