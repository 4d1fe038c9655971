"""Import the modules of scripts/quantizers."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

QUANTIZERS = Path(__file__).resolve().parents[3] / "scripts" / "quantizers"


@pytest.fixture
def quantizers(monkeypatch) -> Iterator[Callable[[str], ModuleType]]:
    """`quantizers("table")`: the module of scripts/quantizers/table.py, gone again after the test."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(QUANTIZERS / "drivers"))
    monkeypatch.syspath_prepend(str(QUANTIZERS))
    yield import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(QUANTIZERS)):
            del sys.modules[name]
