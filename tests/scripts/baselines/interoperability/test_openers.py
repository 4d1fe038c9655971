"""An opener's failure is told by the error that caused it."""

import sys

import pytest
import torch
from baselines.interoperability import openers


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (
            "x\nValidationError: 1 error\n  Value error, no float32 for awq. [type=value]\nbye",
            "Value error, no float32 for awq.",
        ),
        (
            "(Worker) ERROR 1] NotImplementedError: not for Float\nDeadError: see above",
            "NotImplementedError: not for Float",
        ),
        ("killed", "killed"),
    ],
)
def test_the_first_error_is_the_cause(tmp_path, lines, error):
    (tmp_path / "log").write_text(lines, encoding="utf-8")
    assert openers.first_error(tmp_path / "log").removesuffix(" (see log)").strip() == error


def test_an_opener_that_fails_has_no_tokens(monkeypatch, tmp_path):
    monkeypatch.setattr("baselines.harness.driver_process.LOGS", tmp_path)
    monkeypatch.setattr(openers, "FOLDER", tmp_path)
    monkeypatch.setattr(openers, "BASELINES", tmp_path)
    monkeypatch.setattr(openers, "python", lambda name: sys.executable)
    found = openers.opened("awq", tmp_path / "awq", "vllm", "float16", torch.zeros(1, 2, dtype=torch.int64))
    assert "can't open file" in found.error and not found.passed
