"""`tests/` mirrors `src/`: the test of a module lies where the module lies, under its name; packages are whole.

Four folders are no mirrors, on purpose: `bad_input/` and `faults/` play mistakes and faults against the whole product,
`fuzz/` feeds its parsers, `serving/` uses an engine for long.
"""

from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
PARTS = ("__init__.py", "__main__.py")


def unmirrored(src: Path, tests: Path) -> list[str]:
    """The modules of `src` without a test of their name in the same folder of `tests`."""
    modules = [path.relative_to(src) for path in sorted(src.rglob("*.py")) if path.name not in PARTS]
    return [str(module) for module in modules if not (tests / module.parent / f"test_{module.name}").is_file()]


def test_every_module_has_its_test():
    assert unmirrored(REPO / "src", REPO / "tests") == []


def test_folders_beside_the_mirror_are_known():
    beside = {path.name for path in (REPO / "tests").iterdir() if path.is_dir()} - {"__pycache__"}
    mirrors = {path.name for path in [*(REPO / "src").iterdir(), *REPO.iterdir()] if path.is_dir()}
    assert beside - mirrors == {"bad_input", "faults", "families", "fuzz", "serving"}


@pytest.mark.parametrize(
    ("test", "found"), [("a/test_x.py", []), ("test_x.py", ["a/x.py"]), ("a/test_xy.py", ["a/x.py"])]
)
def test_a_module_without_a_test_is_named(test, found, tmp_path):
    for name in ("src/a/x.py", "src/a/__init__.py", f"tests/{test}"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert unmirrored(tmp_path / "src", tmp_path / "tests") == found


def test_every_folder_is_a_package_and_every_package_typed():
    """A wheel takes packages only; in a clean clone this finds an `__init__.py` that git does not hold."""
    folders = {path.parent for path in (REPO / "src").rglob("*.py")} - {REPO / "src"}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []
    packages = {REPO / "src" / folder.relative_to(REPO / "src").parts[0] for folder in folders}
    assert [package.name for package in packages if not (package / "py.typed").is_file()] == []
