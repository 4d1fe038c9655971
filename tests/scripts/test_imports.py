"""Files and folders of scripts/ and models/ import one another in one direction only."""

import pytest
from tests.test_import_arrows import circle, modules_of, names_in


@pytest.fixture
def arrows(repo):
    """Every file of models/ and scripts/ → the files that it imports, by their dotted names."""
    roots = [repo / folder for folder in ("models", "scripts")]
    files = {name: (path, root) for root in roots for name, path in modules_of(root).items()}
    found = {}
    for name, place in files.items():
        names = set(names_in(*place))
        found[name] = (names | {imported.rpartition(".")[0] for imported in names}) & files.keys()
    return found


def test_no_file_imports_itself_through_others(arrows):
    assert len(arrows) > 70
    assert circle(arrows) == []


def test_no_folder_imports_itself_through_others(arrows):
    folder = {name: name.rpartition(".")[0] or name for name in arrows}
    between = {place: set() for place in folder.values()}
    for name, targets in arrows.items():
        between[folder[name]] |= {folder[target] for target in targets} - {folder[name]}
    assert circle(between) == []


def test_a_planted_cycle_is_found():
    assert sorted({*circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})}) == ["a", "b", "c"]
    assert circle({"a": {"a"}}) == ["a", "a"]
