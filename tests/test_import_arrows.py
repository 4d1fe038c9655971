"""Imports point one way: awq knows nobody, tytvm knows no language model, the runtime needs no torch and no TVM."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "src"
FORBIDDEN = {"awq": {"tytvm", "tyllm"}, "tytvm": {"awq", "tyllm"}}
RUNTIME = ("tyllm", "tyllm.errors", "tyllm.package", "tyllm.runtime", "hf_messages")
NEUTRAL = {"tyllm_atomic_files", "tyllm_errors", "tyllm_machine", "tyllm_progress"}
RUNTIME_NEEDS = {"numpy", "tokenizers", "jinja2", "hf_messages"} | NEUTRAL
IMAGES = {SRC / "tyllm" / "runtime" / "images", SRC / "hf_messages"}
HEAVY = {"torch", "tvm", "tvm_ffi", "transformers", "safetensors", "awq", "tytvm", "PIL"}
HELP_AVOIDS = HEAVY | {"numpy", "tokenizers", "jinja2"}


def imports_of(path: Path) -> set[str]:
    """Dotted names that a file imports at any depth, in functions and under TYPE_CHECKING too."""
    package = path.relative_to(SRC).with_suffix("").parts[:-1]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            stem = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            names.add(stem if node.level else node.module or "")
    return names


def files_of(name: str) -> list[Path]:
    """The files of a dotted module or package; of `tyllm` itself only its `__init__`."""
    folder = SRC.joinpath(*name.split("."))
    if name == "tyllm":
        return [folder / "__init__.py"]
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def test_a_lazy_import_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SRC", tmp_path)
    file = tmp_path / "awq" / "deep" / "x.py"
    file.parent.mkdir(parents=True)
    file.write_text("def f():\n    from tyllm import x\n    from ..near import y\n    import tvm.script\n")
    assert imports_of(file) == {"tyllm", "awq.near", "tvm.script"}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_arrow_points_back(package):
    back = {
        f"{path.relative_to(SRC)} imports {name}"
        for path in files_of(package)
        for name in imports_of(path)
        if name.split(".")[0] in FORBIDDEN[package]
    }
    assert not back


@pytest.mark.parametrize("part", RUNTIME)
def test_the_runtime_needs_little(part):
    foreign = {
        f"{path.relative_to(SRC)} imports {name}"
        for path in files_of(part)
        for name in imports_of(path)
        if name.split(".")[0] not in sys.stdlib_module_names | RUNTIME_NEEDS and not name.startswith(RUNTIME[1:])
        if name != "tyllm" and not (IMAGES & {*path.parents} and name.split(".")[0] == "PIL")
    }
    assert not foreign


@pytest.mark.parametrize("module", sorted(NEUTRAL))
def test_what_all_import_imports_nobody(module):
    assert {name.split(".")[0] for name in imports_of(SRC / f"{module}.py")} <= sys.stdlib_module_names | {
        "tyllm_errors"
    }


def loaded_by(*arguments: str) -> set[str]:
    """Top-level names of the modules that a fresh Python has loaded at the end of `python -X importtime …`."""
    command = [sys.executable, "-X", "importtime", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip().split(".")[0] for line in lines}


def test_importing_the_runtime_loads_nothing_heavy():
    loaded = loaded_by("-c", "import tyllm.runtime.images, tyllm.errors, tyllm.package")
    assert "tyllm" in loaded
    assert not loaded & HEAVY


def test_help_loads_nothing_heavy():
    loaded = loaded_by("-m", "tyllm", "--help")
    assert "typer" in loaded
    assert not loaded & HELP_AVOIDS
