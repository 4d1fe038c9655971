"""A change in anything that decides the bytes of a compiled module changes the hash; what decides nothing does not."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tyllm.graph import compiler_hash
from tyllm_base.errors import BuildError
from tytvm.target import resolve

SPEC = resolve("native")
SOURCES = (
    "tytvm/compile.py",
    "tytvm/link.py",
    "tytvm/kernels/linear/linear_w16a16.py",
    "tyllm/build/module_build.py",
    "tyllm/build/pack_weights.py",
    "tyllm/graph/partitioning.py",
    "tyllm/package/params_writer.py",
    "tyllm/package/compiled_module.py",
    "tyllm/native/__init__.py",
    "tyllm/native/meeting.c",
    "tyllm/native/amx.h",
)


def computed() -> str:
    """The hash, computed anew."""
    return compiler_hash.compiler_hash.__wrapped__(SPEC)


@pytest.mark.parametrize("source", SOURCES)
def test_a_changed_source(source, monkeypatch):
    before, read = computed(), Path.read_bytes
    changed = compiler_hash.SOURCE_FOLDER / source
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"\n" * (path == changed))
    assert computed() != before


def test_a_renamed_source(monkeypatch):
    before, sources = computed(), compiler_hash.compiler_sources()
    monkeypatch.setattr(compiler_hash, "compiler_sources", lambda: sources[1:])
    assert computed() != before


@pytest.mark.parametrize("package", ["apache-tvm", "apache-tvm-ffi", "numpy", "torch"])
def test_another_version_of_what_compiles(package, monkeypatch):
    before = computed()
    monkeypatch.setattr(compiler_hash, "version", lambda name: "0.0.1" if name == package else version(name))
    assert computed() != before


def test_another_version_of_this_project(monkeypatch):
    before = computed()
    monkeypatch.setattr(compiler_hash, "__version__", "0.0.1")
    assert computed() != before


def test_another_c_compiler(monkeypatch):
    before = computed()
    monkeypatch.setattr(compiler_hash, "c_compiler", lambda spec: ("echo", "gcc 1.0"))
    assert computed() != before


def test_no_c_compiler(monkeypatch):
    def none(spec):
        raise BuildError("No C compiler.")

    monkeypatch.setattr(compiler_hash, "c_compiler", none)
    assert "no C compiler" in compiler_hash.versions(SPEC)


def test_all_that_is_loaded_is_hashed():
    """Imports that are not written as such would be missed: what a fresh Python has loaded is compared."""
    code = "import sys, tyllm.graph.compile_graph; print(*(getattr(m, '__file__', '') for m in sys.modules.values()))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {Path(name) for name in shown.split() if compiler_hash.SOURCE_FOLDER in Path(name).parents}
    assert len(loaded) > 60
    assert loaded <= set(compiler_hash.compiler_sources())


def test_doors_and_the_quantizer_decide_nothing():
    rooms = {path.relative_to(compiler_hash.SOURCE_FOLDER).parts[:2] for path in compiler_hash.compiler_sources()}
    assert not rooms & {("tyllm", room) for room in ("torch_edgex", "cli", "bench", "evaluate")}
    assert not {room for room in rooms if room[0] == "awq"}


def test_imports_inside_functions_count(tmp_path):
    file = tmp_path / "x.py"
    file.write_text("import numpy\ndef f():\n    from tytvm.rewrites import pattern\n    import tyllm.native as n\n")
    names = set(compiler_hash.imported_names(file))
    assert names == {"tytvm", "tytvm.rewrites", "tytvm.rewrites.pattern", "tyllm", "tyllm.native"}
