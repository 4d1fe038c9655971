"""Import the modules of scripts/peers, and a small run to show."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PEERS = Path(__file__).resolve().parents[3] / "scripts" / "peers"


@pytest.fixture
def peers(monkeypatch) -> Iterator[Callable[[str], ModuleType]]:
    """`peers("table")`: the module of scripts/peers/table.py, gone again after the test."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(PEERS / "drivers"))
    monkeypatch.syspath_prepend(str(PEERS))
    yield import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(PEERS)):
            del sys.modules[name]


@pytest.fixture
def small_run(peers) -> Any:
    """Three rounds of TyLLM and OpenVINO on one shape; ONNX Runtime failed."""
    samples = peers("samples")
    limits = {"read": 20e9, "vpdpbusd": 1e12}
    run = samples.Run("2026-01-02", "A processor", 2, {"Qwen2-0.5B": {"tyllm": 250_000_000}}, [limits, limits])
    for turn, (ours, theirs) in enumerate([(80.0, 40.0), (60.0, 30.0), (70.0, 50.0)]):
        for engine, rate in (("tyllm", ours), ("openvino", theirs)):
            for prompt in (96, 512):
                found = samples.Sample(
                    turn,
                    "Qwen2-0.5B",
                    engine,
                    prompt,
                    100 / rate,
                    (9 * rate, 10 * rate, 12 * rate),
                    (rate,),
                    600_000_000,
                )
                run.samples.append(found)
    run.samples.append(samples.Sample(0, "Qwen2-0.5B", "onnxruntime", 96, error="out of luck"))
    return run
