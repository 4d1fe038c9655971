"""A quantizer's process is measured, and its failure is an outcome."""

import sys

import pytest
from baselines.harness.steps import StepError
from baselines.quantization import measure
from baselines.quantization.outcomes import Outcome
from baselines.quantization.quantizers import QUANTIZERS


@pytest.fixture
def planned(monkeypatch, tmp_path):
    monkeypatch.setattr("baselines.harness.driver_process.LOGS", tmp_path / "log")
    return Outcome("quality", "model", 2, "rtn")


def test_costs_of_a_process(planned, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"12345")
    program = (
        "from baselines.harness.process_cost import cpu_seconds\n"
        "from baselines.quantization.drivers.job import report_cost\n"
        "end = cpu_seconds() + 0.3\n"
        "with report_cost():\n"
        "    kept = bytearray(100_000_000)\n"
        "    while cpu_seconds() < end: pass\n"
    )
    outcome = measure.measured([sys.executable, "-c", program], planned, tmp_path, threads=1)
    assert 0.25 < outcome.cpu <= outcome.process_cpu < 5
    assert outcome.wall >= outcome.cpu * 0.9
    assert 100e6 < outcome.peak_rss < 200e6
    assert outcome.size == 5


def test_a_failure_is_an_outcome(planned, monkeypatch, tmp_path):
    def refused(name):
        raise StepError("no network")

    monkeypatch.setattr(measure, "QUANTIZED", tmp_path)
    monkeypatch.setattr(measure, "make_environment", refused)
    assert measure.quantize(QUANTIZERS[1], tmp_path, tmp_path, planned, 128, 1).error == "no network"


def test_quantizers_see_their_threads():
    found = measure.thread_variables(3)
    assert found["OMP_NUM_THREADS"] == "3"
    assert found["OMP_WAIT_POLICY"] == "PASSIVE"
