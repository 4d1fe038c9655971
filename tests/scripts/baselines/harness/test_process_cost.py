"""The peak is this process's own, and seconds are those of the processor."""

import subprocess
import sys

from baselines.harness.paths import SCRIPTS
from baselines.harness.process_cost import cpu_seconds, peak_rss


def test_a_child_does_not_count_its_parents_memory():
    kept = bytearray(200_000_000)
    program = "from baselines.harness.process_cost import peak_rss; print(peak_rss())"
    found = subprocess.check_output([sys.executable, "-c", program], cwd=SCRIPTS)
    assert 1e6 < int(found) < len(kept) < peak_rss()


def test_seconds_grow_with_work():
    before = cpu_seconds()
    sum(range(3_000_000))
    assert cpu_seconds() > before
