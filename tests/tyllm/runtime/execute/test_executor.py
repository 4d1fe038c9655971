"""Which cores play which die. What an executor runs is tested by those who run something on it."""

import pytest

from tyllm.runtime.execute import executor
from tyllm.runtime.execute.binding import DieStruct


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
