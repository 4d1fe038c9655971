"""Import the modules of scripts/quantisers."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

QUANTISERS = Path(__file__).resolve().parents[3] / "scripts" / "quantisers"


@pytest.fixture
def quantisers(monkeypatch) -> Iterator[Callable[[str], ModuleType]]:
    """`quantisers("table")`: the module of scripts/quantisers/table.py, gone again after the test."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(QUANTISERS / "drivers"))
    monkeypatch.syspath_prepend(str(QUANTISERS))
    yield import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(QUANTISERS)):
            del sys.modules[name]
