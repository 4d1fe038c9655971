"""The probes' figures are read, an instruction that the machine has not is left out, a failure is an error."""

import sys

import pytest
from baselines.harness import limits
from baselines.harness.steps import StepError


def probe(program):
    return [sys.executable, "-c", program]


def test_a_probes_rate():
    assert limits.measured(probe("print(2.5e9)")) == 2.5e9


def test_an_absent_instruction_has_no_rate():
    assert limits.measured(probe(f"raise SystemExit({limits.ABSENT})")) is None


def test_a_failing_probe_is_an_error():
    with pytest.raises(StepError, match="status 1"):
        limits.measured(probe("raise SystemExit(1)"))


def test_only_what_the_machine_has_is_listed(monkeypatch):
    monkeypatch.setattr(limits, "build_probes", lambda: ("read", "arithmetic"))
    monkeypatch.setattr(limits, "measured", lambda command: None if "amx_int8" in command else 1.0)
    assert set(limits.measure_limits(2)) == {"read", "vpdpbusd", "fp32", "amx_bf16"}


def test_without_a_compiler_there_is_no_run(monkeypatch):
    monkeypatch.setattr(limits, "c_compiler", lambda: None)
    with pytest.raises(StepError, match="No C compiler"):
        limits.build_probes()
