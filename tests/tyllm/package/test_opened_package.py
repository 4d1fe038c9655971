"""An opened package is identified by its manifest, and is what was checked, whatever becomes of its folder."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tyllm.package import (
    ImageSize,
    IoEntry,
    Manifest,
    Visual,
    file_entries,
    file_hashes,
    open_package,
    package_files,
    verify_package,
    write_params,
)
from tyllm.package.compiled_module import ModuleConfig, ModuleMemory, ModuleProgram
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
    raw["target"]["features"] = ["quantum_dot4"]
    (own_toy / "manifest.json").write_text(json.dumps(raw))
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
    raw = json.loads((folder / "manifest.json").read_text())
    raw["files"] = {name: {"size": e.size, "sha256": e.sha256} for name, e in file_entries(folder).items()}
    (folder / "manifest.json").write_text(json.dumps(raw))


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


MEMORY = ModuleMemory(64, 128, 0, {"x": IoEntry(0, (3,), "float32"), "y": IoEntry(64, (3,), "float32")})
PROGRAMS = (ModuleProgram("28x28", "double", ("x",), ("y",)),)


@pytest.fixture
def seeing(own_toy):
    """`seeing(code=…, rope=…)`: the toy with a vision tower and rotary positions, of which only the files matter."""

    def write(code="vit_die{die}.so", params="constant_die{die}.params", rope="compute_rope_param.so"):
        (own_toy / "visual").mkdir()
        for name in ("visual/vit_die0.so", "compute_rope_param.so"):
            shutil.copy(own_toy / CODE, own_toy / name)
        for name in ("visual/constant_die0", "compute_rope_param", "embedding", "rope_param"):
            write_params(own_toy / f"{name}.params", {"x": np.zeros(3, np.float32)})
        (own_toy / "preprocessor_config.json").write_text("{}")
        ModuleConfig(code, params, PROGRAMS, ({"28x28": MEMORY},)).write_module_config(own_toy / "visual")
        module = ModuleConfig(rope, "compute_rope_param.params", PROGRAMS, ({"28x28": MEMORY},))
        tokens = {"image": 1, "video": 2, "start": 3, "end": 4}
        visual = Visual(1, (0,), (ImageSize(28, 28, (2, 2)),), 2, tokens, None)
        known = replace(Manifest.read(own_toy), visual=visual, rope=module.to_json(), files=file_entries(own_toy))
        known.write_manifest(own_toy)
        return own_toy

    return write


def test_a_package_that_sees(seeing):
    package = open_package(seeing())
    assert package.visual.programs == package.rope.programs == PROGRAMS


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
