"""Large parameters are hashed with progress, once; small ones are left to the opening itself."""

import pytest

from tyllm.cli import open_session
from tyllm.cli.open_session import hash_params
from tyllm.package import file_hashes, package_files
from tyllm_base.errors import PackageError


@pytest.fixture
def reports():
    return []


def test_small_parameters_are_not_touched(package, reports):
    hash_params(package, lambda *report: reports.append(report))
    assert reports == []


def test_large_parameters_are_hashed_and_remembered(tmp_path, package, reports, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(open_session, "SLOW_BYTES", 1)
    monkeypatch.setattr(package_files, "MAPPED", 1)
    hash_params(package, lambda *report: reports.append(report))
    names = [path.relative_to(package).as_posix() for path in sorted(package.rglob("*.params"))]
    assert [what for _, _, what in reports] == [f"MiB, {name}" for name in names]

    monkeypatch.setattr(file_hashes, "sha256_of", lambda descriptor: pytest.fail("hashed twice"))
    hash_params(package, lambda *report: None)


def test_no_package(tmp_path, reports):
    with pytest.raises(PackageError, match="is no package"):
        hash_params(tmp_path, lambda *report: None)
