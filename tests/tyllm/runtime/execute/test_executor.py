"""Which cores play which die, and how long threads spin. What an executor runs is tested where something runs on it."""

import time

import pytest

from tyllm.runtime import Session
from tyllm.runtime.execute import executor
from tyllm.runtime.execute.binding import DieStruct
from tyllm_base.errors import SettingError


@pytest.mark.parametrize(
    ("order", "cores", "expected"),
    [
        ([0, 1], 4, [[10, 11], [12, 13]]),
        ([1, 0], 4, [[12, 13], [10, 11]]),
        ([3, 1], 8, [[16, 17], [12, 13]]),
        ([2, 0], 4, [[10, 11], [10, 11]]),  # fewer cores than dies: they come round again
    ],
)
def test_a_die_has_the_cores_of_its_physical_die(monkeypatch, order, cores, expected):
    monkeypatch.setattr(executor, "physical_cores", lambda: list(range(10, 10 + cores)))
    dies = [DieStruct(), DieStruct()]
    executor._pin(dies, 2, order)
    assert [die.cpus[:2] for die in dies] == expected


@pytest.mark.parametrize(("available", "expected"), [(4, executor.SPIN_NS), (6, executor.SPIN_NS), (3, 0)])
def test_threads_spin_where_each_has_a_core(toy, monkeypatch, available, expected):
    given = []

    def config(*fields):
        given.append(executor_config(*fields))
        return given[-1]

    executor_config = executor.ConfigStruct
    monkeypatch.setattr(executor, "ConfigStruct", config)
    monkeypatch.setattr(executor, "available_threads", lambda: available)
    Session(toy(dies=2), threads=4).close()
    assert [each.spin_ns for each in given] == [expected]
    assert executor.SPIN_NS > 0


def seconds_of_work_after_a_step(package, wait):
    """CPU time that the threads take in `wait` seconds in which there is nothing to do."""
    with Session(package, threads=2) as session:
        session.logits([1, 2])
        before = time.process_time()
        time.sleep(wait)
        return time.process_time() - before


@pytest.mark.parametrize(("spin_ns", "spins"), [(0, False), (3_000_000_000, True)])
def test_the_c_library_spins_as_long_as_it_is_told(toy, monkeypatch, spin_ns, spins):
    monkeypatch.setattr(executor, "SPIN_NS", spin_ns)
    monkeypatch.setattr(executor, "available_threads", lambda: 2)
    assert (seconds_of_work_after_a_step(toy(dies=2), wait=1.0) > 0.04) == spins


@pytest.mark.parametrize("counts", [{"threads": 10**5000}, {"slots": 10**5000}], ids=["threads", "slots"])
def test_more_than_there_can_be(toy, counts):
    with pytest.raises(SettingError, match=f"a value of type int {next(iter(counts))} are more than"):
        Session(toy(), **counts)
