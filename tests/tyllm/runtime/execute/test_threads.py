"""Threads: physical cores in the affinity mask, within the CPU quota of every control group above."""

import os

import pytest

from tyllm.runtime.execute import threads
from tyllm_errors import SettingError


@pytest.fixture
def topology(tmp_path, monkeypatch):
    """Six CPUs of three cores, of which five may be used; nobody knows the siblings of the last."""
    for cpu, siblings in enumerate(["0,3", "1,4", "2,5", "0,3", "1,4"]):
        folder = tmp_path / "cpu" / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 3, 4, 7})
    return tmp_path / "cpu"


def test_one_cpu_of_each_core(topology):
    assert threads.physical_cores(topology) == [0, 1, 7]


def cgroup(tmp_path, lines, files):
    (tmp_path / "own").write_text("\n".join(lines))
    (tmp_path / "fs").mkdir(exist_ok=True)
    for name, text in files.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {"cgroups": tmp_path / "fs", "own": tmp_path / "own"}


@pytest.mark.parametrize(
    ("lines", "files", "expected"),
    [
        ([], {}, 3),
        (["0::/a/b"], {"a/b/cpu.max": "max 100000", "a/cpu.max": "250000 100000"}, 2),
        (["0::/a"], {"a/cpu.max": "50000 100000"}, 1),
        (["0::/a"], {"a/cpu.max": "900000 100000"}, 3),
        (["3:cpu:/x"], {"cpu/x/cpu.cfs_quota_us": "200000", "cpu/x/cpu.cfs_period_us": "100000"}, 2),
        (["3:cpu:/x"], {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, 3),
    ],
)
def test_the_quota_is_a_limit(tmp_path, topology, lines, files, expected):
    assert threads.available_threads(topology, **cgroup(tmp_path, lines, files)) == expected


def test_no_control_groups(tmp_path, topology):
    assert threads.available_threads(topology, tmp_path / "none", tmp_path / "none") == 3


@pytest.mark.parametrize(("count", "dies", "expected"), [(8, 2, 4), (7, 2, 3), (1, 4, 1), (4, 1, 4)])
def test_threads_are_divided_over_the_dies(count, dies, expected):
    assert threads.workers_per_die(count, dies) == expected


def test_no_threads_at_all():
    with pytest.raises(SettingError, match="0 threads cannot run anything"):
        threads.workers_per_die(0, 2)
