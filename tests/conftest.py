"""What tests share: the repository, the trained model, `models/` on the import path, the compiled C library."""

import os
import sys
from pathlib import Path

import pytest
from tests.c_library import compiled_once

from tyllm.llm import compile_settings

REPO = Path(__file__).resolve().parents[1]
# The scripts of models/ import each other by bare names, as Python runs them; `models.…` works too.
sys.path[:0] = [str(REPO), str(REPO / "models")]


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the repository."""
    return REPO


@pytest.fixture(scope="session")
def trained(repo: Path) -> Path:
    """The checkpoint of the small trained model."""
    return repo / "models" / "tyllm-7m"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name a test at once that failed, or that a worker process ended in: a run may be cut before its summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\nFAILED {report.nodeid}: {getattr(report.longrepr, 'reprcrash', report.longrepr)}", flush=True)


@pytest.fixture(scope="session", autouse=True)
def _c_library_once():
    """Compile the C library of all packages once for each set of flags."""
    with compiled_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_batches_unless_asked_for():
    """Compile batches where a test asks for them only: each takes as long as a program of another length."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compile_settings, "BATCH_SIZES", ())
        yield
