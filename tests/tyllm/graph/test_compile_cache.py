"""A compiled module is found again, unless a byte of it changed; a folder that cannot be written is named."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.tyllm.torch_edgex.blocks import GatedMlp, compiled, folders, sample

from tyllm.graph.compile_cache import CompileSettings, load_module, module_folder
from tyllm.graph.trace import trace
from tyllm.package.manifest import NO_DIGEST, with_digest
from tyllm.torch_edgex import graph_runner
from tyllm_base.errors import OutputError, PackageError
from tytvm.target import resolve

SPEC = resolve("native")
SETTINGS = CompileSettings(cache_folder=Path("cache"))


def test_a_second_run_does_not_compile_again(tmp_path, monkeypatch):
    module, x = sample(GatedMlp)
    first = compiled(module)(x)
    torch._dynamo.reset()
    monkeypatch.setattr("tyllm.graph.compile_graph._compile_anew", lambda *_: pytest.fail("compiled again"))
    assert torch.equal(compiled(module)(x), first)


def test_a_damaged_module_is_compiled_again(tmp_path):
    module, x = sample(GatedMlp)
    first = compiled(module)(x)
    params = folders(tmp_path)[0] / "edgex_die0.params"
    params.write_bytes(params.read_bytes()[:-8] + b"damaged!")
    torch._dynamo.reset()
    assert torch.equal(compiled(module)(x), first)


def sorting(module):
    """A graph of two compiled parts with one between them that torch runs."""
    return lambda x: module(torch.sort(module(x), -1).values)


def build(folder, **changes):
    """Change build.json, its hash made right."""
    raw = json.loads((folder / "build.json").read_text()) | changes | {"sha256": NO_DIGEST}
    (folder / "build.json").write_bytes(with_digest((json.dumps(raw, indent=2) + "\n").encode()))


@pytest.fixture(scope="module")
def sorted_module(tmp_path_factory):
    """The module's function, its argument and result, the folder, and its files as they should be."""
    module, x = sample(GatedMlp)
    torch._dynamo.reset()
    place = tmp_path_factory.mktemp("aot")
    with torch.no_grad():
        wanted = compiled(sorting(module), AOT_DIR=place)(x)
    (folder,) = folders(place)
    return sorting(module), x, wanted, place, {path: path.read_bytes() for path in folder.iterdir()}


def test_every_bit_of_build_json_counts(sorted_module):
    *_, files = sorted_module
    (path,) = (each for each in files if each.name == "build.json")
    assert load_module(path.parent) is not None
    try:
        for number in range(8 * len(files[path])):
            flipped = bytearray(files[path])
            flipped[number // 8] ^= 1 << number % 8
            path.write_bytes(flipped)
            assert load_module(path.parent) is None, number
    finally:
        path.write_bytes(files[path])


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: {"compiled": False},
        lambda raw: {"refused": {}},
        lambda raw: {"refused": raw["refused"] | {"silu": "aten.silu.default"}},
        lambda raw: {"files": {n: entry for n, entry in raw["files"].items() if n != "edgex_die0.so"}},
        lambda raw: {"files": {n: entry for n, entry in raw["files"].items() if n != "edgex_die0.params"}},
    ],
)
def test_a_module_that_is_not_of_the_graph_is_compiled_again(sorted_module, change):
    function, x, wanted, place, files = sorted_module
    (folder,) = folders(place)
    build(folder, **change(json.loads((folder / "build.json").read_text())))
    torch._dynamo.reset()
    with torch.no_grad():
        assert torch.equal(compiled(function, AOT_DIR=place)(x), wanted)
    assert (folder / "build.json").read_bytes() == files[folder / "build.json"]


@pytest.mark.parametrize("name", ["edgex_die0.so", "edgex_die0.params"])
def test_what_is_damaged_between_the_check_and_the_loading_is_not_loaded(tmp_path, monkeypatch, name):
    module, x = sample(GatedMlp)
    compiled(module)(x)
    path, real = folders(tmp_path)[0] / name, graph_runner.hold_module

    def late(folder):
        path.write_bytes(path.read_bytes()[:-8] + b"damaged!")
        return real(folder)

    torch._dynamo.reset()
    monkeypatch.setattr(graph_runner, "hold_module", late)
    with pytest.raises(PackageError, match="was changed or damaged"):
        compiled(module)(x)


def test_a_file_in_the_folder_s_place(tmp_path):
    module, x = sample(GatedMlp)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"Cannot write .*a part of the path is a file"):
        compiled(module, AOT_DIR=tmp_path / "file" / "deep")(x)


def traced_mlp(repeats=1):
    module, x = sample(GatedMlp)
    x = torch.cat([x] * repeats)
    return trace(torch.export.export(module, (x,), strict=False).module(), (x,), ())


CHANGES = {
    "dies": (replace(SETTINGS, dies=2), SPEC),
    "activations": (replace(SETTINGS, activations="int8"), SPEC),
    "target": (SETTINGS, replace(SPEC, cpu="other")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_other_settings_have_a_folder_of_their_own(name):
    traced = traced_mlp()
    assert module_folder(traced, *CHANGES[name]) != module_folder(traced, SETTINGS, SPEC)


def test_other_weights_have_a_folder_of_their_own():
    traced = traced_mlp()
    before = module_folder(traced, SETTINGS, SPEC)
    next(iter(traced.weights.values())).flatten()[0] += 1
    assert module_folder(traced, SETTINGS, SPEC) != before


def test_other_shapes_have_a_folder_of_their_own():
    assert module_folder(traced_mlp(2), SETTINGS, SPEC) != module_folder(traced_mlp(), SETTINGS, SPEC)


def test_another_compiler_has_a_folder_of_its_own(monkeypatch):
    traced = traced_mlp()
    before = module_folder(traced, SETTINGS, SPEC)
    assert module_folder(traced, SETTINGS, SPEC) == before
    monkeypatch.setattr("tyllm.graph.compile_cache.compiler_hash", lambda spec: "another")
    assert module_folder(traced, SETTINGS, SPEC) != before


def test_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert (
        module_folder(traced_mlp(), replace(SETTINGS, cache_folder=None), SPEC).parent == tmp_path / "tyllm" / "edgex"
    )


def test_without_a_home_the_modules_last_as_long_as_the_process(monkeypatch):
    monkeypatch.setattr("tyllm.graph.compile_cache.writable_cache_folder", lambda name: None)
    settings = replace(SETTINGS, cache_folder=None)
    folder = module_folder(traced_mlp(), settings, SPEC)
    assert folder == module_folder(traced_mlp(), settings, SPEC)
    assert folder.parent.is_dir() and folder.parent.stat().st_mode & 0o77 == 0
