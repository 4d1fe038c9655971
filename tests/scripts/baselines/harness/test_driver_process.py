"""A driver's process is measured, its last JSON object is the answer, and its failure names its last words."""

import sys

import pytest
from baselines.harness.driver_process import DriverError, run_driver


@pytest.fixture(autouse=True)
def logs(monkeypatch, tmp_path):
    """Logs of a test lie in its own folder."""
    monkeypatch.setattr("baselines.harness.driver_process.LOGS", tmp_path)


def driver(program):
    return [sys.executable, "-c", program]


def test_the_answer_is_found_among_other_lines():
    program = """print('INFO {"cpu": 1}\\n{"cpu": 2}\\n{"cpu": 3}\\n(worker) bye')"""
    assert run_driver(driver(program), "log").answer == {"cpu": 3}


def test_the_cost_is_the_processs():
    program = "import time\nwhile time.process_time() < 0.3: pass\nprint('{}')"
    result = run_driver(driver(program), "log")
    assert 0.3 <= result.cpu < 5
    assert result.wall >= 0.3


def test_a_failure_names_its_last_words_and_its_log(tmp_path):
    with pytest.raises(DriverError, match=r"^RuntimeError: no such model \(status 1, see log\.log\)") as failure:
        run_driver(driver("raise RuntimeError('no such model')"), "log")
    assert failure.value.log == tmp_path / "log.log"
    with pytest.raises(DriverError, match=r"^no output \(status -6"):
        run_driver(driver("import os; os.abort()"), "log")


def test_a_driver_without_an_answer_fails():
    with pytest.raises(DriverError, match="printed no answer"):
        run_driver(driver("print('hello')"), "log")


def test_a_driver_that_hangs_is_ended():
    with pytest.raises(DriverError, match=r"took longer than 0\.2 s"):
        run_driver(driver("import time; time.sleep(60)"), "log", timeout=0.2)


def test_variables_reach_the_driver():
    program = "import os, json; print(json.dumps({'seen': os.environ['LLAMA']}))"
    assert run_driver(driver(program), "log", {"LLAMA": "1"}).answer == {"seen": "1"}
