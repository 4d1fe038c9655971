"""`python -m tyllm` is the command."""

import subprocess
import sys

from tyllm import __version__


def test_the_module_runs():
    command = [sys.executable, "-m", "tyllm"]
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"tyllm {__version__}\n", "")
    wrong = subprocess.run([*command, "nonsense"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
