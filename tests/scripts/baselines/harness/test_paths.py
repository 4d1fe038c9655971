"""What the comparisons make lies under out/, or where TYLLM_BASELINES says."""

import os
import subprocess
import sys

from baselines.harness.paths import ROOT, SCRIPTS


def made(folder: str) -> str:
    """The folder of a process with this value of the variable."""
    variables = os.environ | {"TYLLM_BASELINES": folder, "PYTHONPATH": str(SCRIPTS)}
    program = "from baselines.harness.paths import MADE; print(MADE)"
    return subprocess.run(
        [sys.executable, "-c", program], env=variables, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_variable_names_the_folder(tmp_path):
    assert made(str(tmp_path)) == str(tmp_path)
    assert made("") == str(ROOT / "out" / "baselines")
