"""A driver's process is measured, and its failure is an outcome."""

import sys

import pytest


@pytest.fixture
def planned(quantizers):
    return quantizers("outcomes").Outcome("quality", "model", 2, "rtn")


def test_the_answer_is_found_among_what_a_tool_writes(quantizers, tmp_path):
    log = tmp_path / "log"
    log.write_text('INFO {"cpu": 1}\n{"cpu": 2}\n{"cpu": 3}\n(worker) bye\n', encoding="utf-8")
    assert quantizers("quantizing").last_json(log) == {"cpu": 3}


def test_costs_of_a_process(quantizers, planned, tmp_path):
    drivers = quantizers("places").DRIVERS
    (tmp_path / "model.safetensors").write_bytes(b"12345")
    program = (
        f"import sys; sys.path.insert(0, {str(drivers)!r})\n"
        "from job import told, cpu_seconds\n"
        "end = cpu_seconds() + 0.3\n"
        "with told():\n"
        "    kept = bytearray(100_000_000)\n"
        "    while cpu_seconds() < end: pass\n"
    )
    outcome = quantizers("quantizing").measured(
        [sys.executable, "-c", program], tmp_path / "log", planned, tmp_path, threads=1
    )
    assert 0.25 < outcome.cpu <= outcome.process_cpu < 5
    assert outcome.wall >= outcome.cpu * 0.9
    assert 100e6 < outcome.peak_rss < 200e6
    assert outcome.size == 5


def test_a_failure_names_its_last_words(quantizers, planned, tmp_path):
    quantizing, environments = quantizers("quantizing"), quantizers("environments")
    command = [sys.executable, "-c", "raise SystemExit('no such model')"]
    with pytest.raises(environments.ToolError, match="no such model"):
        quantizing.measured(command, tmp_path / "log", planned, tmp_path, threads=1)


def test_tools_see_their_threads_and_no_others_settings(quantizers, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    found = quantizers("quantizing").environment(1)
    assert found["OMP_NUM_THREADS"] == "1"
    assert "PYTHONPATH" not in found
