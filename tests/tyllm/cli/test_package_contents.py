"""The description of a package is what its files say."""

import numpy as np
import pytest
from msgspec.structs import replace

from tyllm.cli.package_contents import contents, dtype_bytes
from tyllm.package import Manifest, file_entries, write_params
from tyllm.package.folder_bytes import folder_bytes
from tyllm_base.errors import PackageError


def test_the_package_as_a_whole(package):
    report = contents(package)
    assert "files" not in report
    assert report["bytes"] == folder_bytes(package)
    assert report["source"]["checkpoint"] == "tiny"
    assert [die["die"] for die in report["dies"]] == [0, 1]
    assert report["dies"][0]["vocabulary"] == [0, 130]


def test_a_program(package):
    program = contents(package)["dies"][1]["programs"]["8"]
    assert (program["steps"], program["barriers"], program["bytes_read"]) == (4, 1, 40)
    assert program["kernels"] == {"linear_w4a8_1_64_32": 2, "cast1": 1, "linear_w4a8_1_64_50_bias": 1}
    assert program["code_bytes"] == (package / "batch_1" / "seqlen_8" / "llm_die1.so").stat().st_size
    assert list(program["constants_bytes"]) == ["int64"]


def test_a_missing_file_is_a_package_error(package):
    (package / "batch_1" / "common_die0.params").unlink()
    with pytest.raises(PackageError, match=r"lacks batch_1/common_die0\.params"):
        contents(package)


def test_a_program_without_steps_is_a_package_error(package):
    (package / "program.json").write_text('{"dies": [{"die": 0}]}')
    replace(Manifest.read(package), files=file_entries(package)).write_manifest(package)
    with pytest.raises(PackageError, match="missing required field `programs`"):
        contents(package)


def test_dtype_bytes(tmp_path):
    arrays = {"a": np.zeros((3, 3), np.float16), "b": np.zeros(5, np.uint8), "c": np.zeros(4, np.float16)}
    write_params(tmp_path / "x.params", arrays)
    assert dtype_bytes(tmp_path / "x.params") == {"float16": 26, "uint8": 5}
