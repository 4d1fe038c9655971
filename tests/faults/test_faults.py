"""A few tries of every row hold; `make test-faults` plays them all."""

import json
import subprocess
import sys

import pytest
from tests.faults.rows import ROWS
from tests.faults.samples import REPO


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> dict[str, dict]:
    """The rows' results, played in a process of their own, which may fork before it has threads."""
    out = tmp_path_factory.mktemp("faults")
    command = [sys.executable, "-m", "tests.faults", "--fast", "--out", str(out)]
    subprocess.run(command, cwd=REPO, capture_output=True, check=False)
    return {path.stem: json.loads(path.read_text()) for path in out.glob("*.json")}


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS)
def test_a_few_tries_hold(played, row):
    found = played[row]
    assert found["tries"] > 0
    assert found["held"] == found["tries"], found["failures"]
