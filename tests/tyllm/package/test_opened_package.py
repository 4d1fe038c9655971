"""An opened package is identified by its manifest, and is what was checked, whatever becomes of its folder."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from fake_package import Fake
from tests.forgeries import edit, read, reseal

from tyllm.package import (
    file_hashes,
    open_package,
    package_files,
    verify_package,
)
from tyllm.package.opened_package import check_params, read_package
from tyllm_base.errors import PackageError

CODE, PARAMS = "batch_1/seqlen_8/llm_die1.so", "batch_1/common_die0.params"


@pytest.fixture
def large(monkeypatch):
    """All parameters count as large ones, which are mapped and whose hashes are cached; what is hashed of them."""
    seen, real = [], file_hashes.sha256_of
    monkeypatch.setattr(package_files, "MAPPED", 1)
    monkeypatch.setattr(file_hashes, "sha256_of", lambda descriptor: seen.append(descriptor) or real(descriptor))
    return seen


def test_fingerprint(own_toy):
    package = open_package(own_toy)
    expected = hashlib.sha256((own_toy / "manifest.json").read_bytes()).hexdigest()
    shutil.rmtree(own_toy)
    assert package.fingerprint == expected
    assert package.buffers.dies[1].vocabulary == (130, 260)


def test_large_parameters_are_hashed_once(own_toy, large):
    open_package(own_toy)
    assert len(large) == 6
    open_package(own_toy)
    assert len(large) == 6
    verify_package(own_toy)
    assert len(large) == 12


def test_code_and_json_are_hashed_each_time(own_toy, large):
    open_package(own_toy)
    for name in (CODE, "tokenizer.json", "buffer_config.json"):
        content = (own_toy / name).read_bytes()
        (own_toy / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(PackageError, match=f"{name} was changed"):
            open_package(own_toy)
        (own_toy / name).write_bytes(content)


def test_the_bytes_of_all_files(own_toy):
    assert open_package(own_toy).nbytes == sum(path.stat().st_size for path in own_toy.rglob("*") if path.is_file())


def test_to_look_at_a_package_no_large_parameters_are_hashed(own_toy, large):
    raw = json.loads((own_toy / "manifest.json").read_text())
    edit(own_toy, "manifest.json", target=raw["target"] | {"features": ["quantum_dot4"]})
    assert read_package(own_toy).manifest.target.features == ("quantum_dot4",)
    assert large == []


def test_parameters_alone_are_checked_with_progress(own_toy, large):
    seen = []
    check_params(own_toy, lambda *report: seen.append(report), 1)
    assert [name for _, _, name in seen] == sorted(p.relative_to(own_toy).as_posix() for p in own_toy.rglob("*.params"))
    check_params(own_toy, lambda *report: pytest.fail(str(report)), 1 << 40)
    (own_toy / PARAMS).write_bytes(bytes((own_toy / PARAMS).stat().st_size))
    with pytest.raises(PackageError, match=f"{PARAMS} was changed"):
        check_params(own_toy, lambda *report: None, 1)


def test_closed(own_toy):
    package = open_package(own_toy)
    package.close()
    package.close()
    with pytest.raises(PackageError, match="was closed"):
        _ = package.fingerprint


def swapped(folder: Path, content: dict[str, bytes]) -> None:
    """Put other contents at a folder's place, and a manifest with which they are right."""
    old = folder.rename(folder.with_name("old"))
    shutil.copytree(old, folder)
    for name, data in content.items():
        (folder / name).write_bytes(data)
    reseal(folder, *content)


def test_a_folder_that_is_swapped_while_it_is_opened(own_toy, monkeypatch):
    """Never a part of the one and a part of the other."""
    real = package_files.PackageFiles.hold_manifest

    def slow(files, opened):
        real(files, opened)
        swapped(own_toy, {"config.json": b'{"eos_token_id": 1}'})

    monkeypatch.setattr(package_files.PackageFiles, "hold_manifest", slow)
    package = open_package(own_toy)
    assert json.loads((package.files / "config.json").read_bytes()) == {"eos_token_id": 257}
    monkeypatch.undo()
    assert json.loads((open_package(own_toy).files / "config.json").read_bytes()) == {"eos_token_id": 1}


@pytest.fixture
def seeing(toy_library, tmp_path):
    """`seeing(code=…, rope=…)`: the toy with a vision tower and rotary positions, of which only the files matter."""

    def write(code=None, params=None, rope=None):
        folder = Fake(toy_library, dies=2, embedding_as_input=True, sees=True).write(tmp_path / "package")
        changes = {name: value for name, value in (("code", code), ("params", params)) if value}
        edit(folder, "visual/aot_config.json", **changes)
        if rope:
            aot, buffers = read(folder / "manifest.json")["rope"]
            edit(folder, "manifest.json", rope=[aot | {"code": rope}, buffers])
        return folder

    return write


def test_a_package_that_sees(seeing):
    package = open_package(seeing())
    assert [program.name for program in package.visual.programs] == ["28x28"]
    assert [program.name for program in package.rope.programs] == ["compute_rope_param"]


NAMES = [
    "{evil}",
    "../evil.so",
    "evil.so",
    "{x}.so",
    "{0}.so",
    "{die:>999999999999}.so",
    "vit_die{die}.c",
    "\0.so",
]


@pytest.mark.parametrize("check", [open_package, verify_package])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("of", ["code", "rope", "params"])
def test_code_that_no_hash_covers_is_refused(seeing, tmp_path, name, of, check):
    """No name leads out of the package or to a file that the manifest has not, and none is a format string."""
    (tmp_path / "evil.so").write_bytes(b"")
    name = name.replace("{evil}", str(tmp_path / "evil.so"))
    with pytest.raises(PackageError):
        check(seeing(**{of: name.replace(".so", ".params") if of == "params" else name}))
