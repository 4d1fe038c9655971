"""A try that ends its process or does not end costs itself alone, and does not hold."""

import os
import signal
import time

from tests.faults.batch import play
from tests.faults.tally import Tally


def one(number, chance):
    if number == 2:
        os.kill(os.getpid(), signal.SIGXCPU)
    if number == 4:
        time.sleep(60)
    if number == 5:
        raise ValueError("foreign")
    return f"fault {number}", "refused", True


def test_every_try_is_counted_once(capsys):
    tally = Tally("row")
    play(tally, 8, one, limit=1.0, per_child=4)
    assert (tally.tries, tally.held) == (8, 5)
    assert dict(tally.ends) == {"refused": 5, "signal": 1, "hang": 1, "traceback": 1}
    assert [line.split(":")[0] for line in tally.failures] == ["row --only 2", "row --only 4", "row --only 5"]


def test_chance_is_a_trys_own():
    first = [chance.random() for _, chance in Tally("row").numbers(3)]
    assert [chance.random() for _, chance in Tally("row", only=(2,)).numbers(3)] == first[2:]
    assert [chance.random() for _, chance in Tally("row", seed=1).numbers(3)] != first
