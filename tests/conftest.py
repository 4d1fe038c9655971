"""What tests share: the repository's folder, the trained model, and `models/` on the import path."""

import sys
from pathlib import Path

import pytest

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
