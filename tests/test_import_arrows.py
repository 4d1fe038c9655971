"""Imports follow the table of arrows in docs/architecture.md, make no circle, and load no more than a part needs."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
SRC = REPO / "src"
TABLE = re.compile(r"^    ([a-z_0-9.]+) +→ *([a-z_0-9.* ]*)$", re.MULTILINE)
LIBRARIES: dict[str, set[str]] = {
    "tyllm_base": set(),
    "hf_messages": {"numpy", "PIL", "jinja2"},
    "tyllm.errors": set(),
    "tyllm.native": set(),
    "tyllm.package": {"msgspec", "numpy"},
    "tyllm.runtime": {"numpy", "tokenizers", "jinja2", "llguidance"},
    "tyllm.runtime.images": {"numpy", "PIL"},
}
"""What these parts may import beside the project's own packages and the standard library."""
HEAVY = {"torch", "tvm", "tvm_ffi", "transformers", "safetensors", "awq", "tytvm", "PIL"}
HELP_AVOIDS = HEAVY | {"msgspec", "numpy", "tokenizers", "jinja2"}


def arrows_in(text: str) -> dict[str, set[str]]:
    """The table of arrows in a document: each part and the parts that it may import; `.x` lies in the same package."""
    return {
        part: {part.split(".")[0] + other if other.startswith(".") else other for other in others.split()}
        for part, others in TABLE.findall(text)
    }


ARROWS = arrows_in((REPO / "docs" / "architecture.md").read_text(encoding="utf-8"))


def modules_of(root: Path) -> dict[str, Path]:
    """The Python files below a folder by their dotted names; a package's name is that of its `__init__`."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def names_in(path: Path, root: Path) -> Iterator[str]:
    """Dotted names that a file imports at any depth, in functions and under TYPE_CHECKING too; `from` ones whole."""
    package = path.relative_to(root).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def imports_of(root: Path) -> dict[str, set[str]]:
    """Each module below a folder, and the modules there that it imports; bare names are looked up beside it first."""
    modules = modules_of(root)
    found: dict[str, set[str]] = {}
    for module, path in modules.items():
        beside = module.rpartition(".")[0] if path.name != "__init__.py" else module
        found[module] = set()
        for name in names_in(path, root):
            candidates = [f"{beside}.{name}", f"{beside}.{name.rpartition('.')[0]}", name, name.rpartition(".")[0]]
            target = next((candidate for candidate in candidates if candidate in modules), None)
            found[module] |= {target} - {None, module}
    return found


def part_of(module: str, parts: Mapping[str, object]) -> str | None:
    """The part of the table that a module lies in: the longest that its name begins with."""
    pieces = module.split(".")
    names = (".".join(pieces[:length]) for length in range(len(pieces), 0, -1))
    return next((name for name in names if name in parts), None)


def allows(arrows: Mapping[str, set[str]], part: str | None, other: str | None) -> bool:
    """Whether the table lets one part import another; `x.*` stands for x and all that lies in it."""
    names = {
        f"{'.'.join(pieces[:length])}.*" for pieces in [str(other).split(".")] for length in range(1, len(pieces) + 1)
    }
    return part is not None and other is not None and (part == other or bool(arrows[part] & (names | {other})))


def forbidden(imports: Mapping[str, set[str]], arrows: Mapping[str, set[str]]) -> set[str]:
    """The imports that the table does not allow."""
    return {
        f"{module} imports {target}"
        for module, targets in imports.items()
        for target in targets
        if not allows(arrows, part_of(module, arrows), part_of(target, arrows))
    }


def circle(imports: Mapping[str, set[str]]) -> list[str]:
    """A circle of imports; empty where there is none."""
    try:
        list(TopologicalSorter(imports).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_module_has_a_part():
    assert [module for module in modules_of(SRC) if part_of(module, ARROWS) is None] == []


def test_imports_follow_the_table():
    assert forbidden(imports_of(SRC), ARROWS) == set()


def test_every_arrow_of_the_table_is_used():
    imports = imports_of(SRC)
    for part, others in ARROWS.items():
        for other in others:
            fewer = ARROWS | {part: others - {other}}
            assert forbidden(imports, fewer), f"{part} imports nothing of {other}"


def test_the_table_has_no_circle():
    listed = {part: {other for other in ARROWS if other != part and allows(ARROWS, part, other)} for part in ARROWS}
    assert circle(listed) == []


def test_files_make_no_circle():
    assert circle(imports_of(SRC)) == []


def test_an_arrow_against_the_table_is_found(tmp_path):
    file = tmp_path / "awq" / "deep" / "x.py"
    file.parent.mkdir(parents=True)
    file.write_text("def f():\n    from tyllm import x\n    from ..near import y\n    import other.deep\n")
    for name in ("awq/near", "tyllm/x", "other/deep"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.py").write_text("import awq.deep.x\n" if name == "other/deep" else "")
    arrows = arrows_in("    awq     → other\n    other   →\n    tyllm   →\n")
    imports = imports_of(tmp_path)
    assert forbidden(imports, arrows) == {"awq.deep.x imports tyllm.x", "other.deep imports awq.deep.x"}
    assert set(circle(imports)) == {"awq.deep.x", "other.deep"}


@pytest.mark.parametrize("part", LIBRARIES)
def test_the_runtime_needs_few_libraries(part):
    own = {path.name.removesuffix(".py") for path in SRC.iterdir()}
    foreign = {
        f"{module} imports {name}"
        for module, path in modules_of(SRC).items()
        if part_of(module, LIBRARIES) == part
        for name in names_in(path, SRC)
        if name.split(".")[0] not in sys.stdlib_module_names | own | LIBRARIES[part]
    }
    assert not foreign


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


def test_importing_the_package_loads_its_classes_only_when_they_are_asked_for():
    assert "numpy" not in loaded_by("-c", "import tyllm")
    loaded = loaded_by("-c", "from tyllm import SamplingParams, Session")
    assert "numpy" in loaded and not loaded & HEAVY


def test_help_loads_nothing_heavy():
    loaded = loaded_by("-m", "tyllm", "--help")
    assert "typer" in loaded
    assert not loaded & HELP_AVOIDS
