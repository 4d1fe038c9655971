"""A temporary work folder is found again by the next run with the same recipe, and by no other."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from awq.work.part_names import REST, layer_part
from awq.work.temporary_work import temporary_work

DIES = """
import os, signal, sys, tempfile
import numpy as np
from awq.work.temporary_work import temporary_work
work = temporary_work(sys.argv[1])
work.open(sys.argv[1])
for part in sys.argv[2:]:
    work.write_part(part, {"a": np.zeros(1, np.float16)})
print(work.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def killed(folder, *arguments):
    """A run that was killed; its work folder."""
    environment = os.environ | {"TMPDIR": str(folder)}
    died = subprocess.run([sys.executable, "-c", DIES, *arguments], env=environment, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    return died.stdout.strip()


def test_the_same_recipe_goes_on(temporary):
    path = killed(temporary, "one", layer_part(0))
    with pytest.warns(UserWarning, match=f"An earlier run was ended; its work in {path} is gone on with"):
        work = temporary_work("one")
    assert str(work.path) == path and work.has(layer_part(0))
    work.remove()
    assert not list(temporary.iterdir())


def test_of_another_recipe_finished_work_stays_and_other_goes(temporary):
    finished, other = killed(temporary, "one", REST), killed(temporary, "three", layer_part(0))
    with pytest.warns(UserWarning, match=f"its work in {other} is removed"):
        work = temporary_work("two")
    assert {str(path) for path in temporary.iterdir()} == {finished, str(work.path)}
    work.unlock()


def test_what_is_worked_in_or_of_others_stays(temporary):
    work = temporary_work("one")
    work.open("one")
    work.write_part(layer_part(0), {"a": np.zeros(1, np.float16)})
    (temporary / "awq-mine").mkdir()  # not private, and of no run
    (temporary / "awq-mine" / "x").touch()
    again = temporary_work("one")
    assert again.path != work.path and work.has(layer_part(0)) and (temporary / "awq-mine" / "x").exists()
    again.unlock()
    work.remove()
    assert [path.name for path in temporary.iterdir()] == ["awq-mine"]
