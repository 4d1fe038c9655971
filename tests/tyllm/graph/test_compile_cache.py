"""A compiled module is found again, unless a byte of it changed; a folder that cannot be written is named."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.tyllm.torch_edgex.blocks import GatedMlp, compiled, folders, sample

from tyllm.graph.compile_cache import CompileSettings, module_folder
from tyllm.graph.trace import trace
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
