"""Files and folders of scripts/ and models/ import one another in one direction only."""

import ast

import pytest


def modules(root):
    """Dotted name below `root` → file."""
    return {".".join(path.relative_to(root).with_suffix("").parts): path for path in root.rglob("*.py")}


def imported(path, known):
    """The modules of `known` that a file imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found & known


def cycles(arrows):
    """Names that reach themselves."""

    def reached(start):
        seen, left = set(), list(arrows[start])
        while left:
            if (name := left.pop()) not in seen:
                seen.add(name)
                left += arrows[name]
        return seen

    return sorted(name for name in arrows if name in reached(name))


@pytest.fixture
def arrows(repo):
    """Every file of models/ and scripts/ → the files that it imports, by their paths."""
    files = {name: path for folder in ("models", "scripts") for name, path in modules(repo / folder).items()}
    return {name: imported(path, files.keys()) for name, path in files.items()}


def test_no_file_imports_itself_through_others(arrows):
    assert len(arrows) > 70
    assert cycles(arrows) == []


def test_no_folder_imports_itself_through_others(arrows):
    folder = {name: name.rpartition(".")[0] or name for name in arrows}
    between = {place: set() for place in folder.values()}
    for name, targets in arrows.items():
        between[folder[name]] |= {folder[target] for target in targets} - {folder[name]}
    assert cycles(between) == []


def test_a_planted_cycle_is_found():
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "b", "c"]
