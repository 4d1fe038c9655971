"""Call the command line in this process and keep what it printed; a toy package with steps and provenance."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from tyllm.cli import main
from tyllm.package import Manifest, QuantizationEntry, file_entries

STEP = {
    "kernel": "linear_w4a8_1_64_32",
    "reads": [],
    "writes": [],
    "barrier_before": False,
    "cost": {"operations": {}, "bytes_read": 10, "bytes_written": 2},
}
STEPS = {
    "body": [STEP, {**STEP, "barrier_before": True}, {**STEP, "kernel": "cast1"}],
    "head": [{**STEP, "kernel": "linear_w4a8_1_64_50_bias"}],
    "buffers": {},
}


@dataclass(frozen=True)
class Outcome:
    """How a call of `tyllm` ended."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def plain_output(monkeypatch) -> None:
    """The same text whatever terminal, width or CI service the tests run in."""
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TERMINAL_WIDTH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("typer.rich_utils.FORCE_TERMINAL", None, raising=False)
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", None, raising=False)


@pytest.fixture
def tyllm(capsys) -> Callable[..., Outcome]:
    def call(*arguments: object) -> Outcome:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def package(own_toy) -> Path:
    """The toy package of two dies, with a program.json and what a manifest says of a real model."""
    programs = [{"die": die, "programs": {"1": STEPS, "8": STEPS}} for die in range(2)]
    (own_toy / "program.json").write_text(json.dumps({"format_version": 1, "dies": programs}))
    manifest = replace(
        Manifest.read(own_toy),
        quantization=QuantizationEntry("awq", 4, 32),
        built_with={"torch": "2.13.0"},
        source={"checkpoint": "tiny", "config_sha256": "0123456789abcdef"},
        files=file_entries(own_toy),
    )
    manifest.write_manifest(own_toy)
    return own_toy
