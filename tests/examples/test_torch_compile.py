"""The example of torch.compile gives what eager torch gives, and leaves a compiled module of two dies."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "6_torch_compile.py"


def test_the_example_runs(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(EXAMPLE), "edgex"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout.rpartition(":")[2]) < 1e-3
    assert len(list(tmp_path.glob("edgex/edgex-*/edgex_die?.so"))) == 2
