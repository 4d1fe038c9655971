"""The description of a package is what its files say."""

import pytest

from tyllm.cli.contents import contents, dtype_bytes
from tyllm.cli.output import folder_bytes
from tyllm.errors import PackageError

from .sample_package import write_package


@pytest.fixture
def package(tmp_path):
    return write_package(tmp_path / "package")


def test_contents(package):
    report = contents(package)
    assert "files" not in report
    assert report["bytes"] == folder_bytes(package) > 100
    assert report["source"]["checkpoint"] == "tiny"
    (die,) = report["dies"]
    assert (die["die"], die["vocabulary"], die["kv_bytes"]) == (0, [0, 50], 4096)
    assert die["params_bytes"] == {"float16": 146, "uint8": 32}
    program = die["programs"]["1"]
    assert program["kernels"] == {"rms_norm": 2, "linear": 1}
    assert (program["steps"], program["barriers"], program["bytes_read"]) == (3, 1, 30)
    assert (program["code_bytes"], program["arena_bytes"], program["io_bytes"]) == (100, 7, 64)
    assert program["constants_bytes"] == {"float32": 64}


def test_a_missing_file_is_a_package_error(package):
    (package / "batch_1" / "common_die0.params").unlink()
    with pytest.raises(PackageError, match=r"lacks batch_1/common_die0\.params"):
        contents(package)


def test_a_program_without_steps_is_a_package_error(package):
    (package / "program.json").write_text('{"dies": [{"die": 0}]}'.ljust((package / "program.json").stat().st_size))
    with pytest.raises(PackageError, match="has no field 'programs'"):
        contents(package)


def test_dtype_bytes_agrees_with_safetensors(package):
    safetensors = pytest.importorskip("safetensors.numpy")
    path = package / "batch_1" / "common_die0.params"
    by_name = {name: tensor for name, tensor in safetensors.load_file(path).items() if not name.startswith("padding")}
    assert sum(dtype_bytes(path).values()) == sum(tensor.nbytes for tensor in by_name.values())
