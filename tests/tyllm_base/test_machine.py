"""What this machine is: flags as three kernels write them, cores within the CPU quota, the first C compiler."""

import os
from pathlib import Path

import pytest

import tyllm_base.machine as machine


@pytest.fixture(autouse=True)
def topology(tmp_path, monkeypatch):
    """Six CPUs of three cores, of which five may be used; nobody knows the siblings of the last; no quota."""
    for cpu, siblings in enumerate(["0,3", "1,4", "2,5", "0,3", "1,4"]):
        folder = tmp_path / "cpu" / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 3, 4, 7})
    monkeypatch.setattr(machine, "TOPOLOGY", tmp_path / "cpu")
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "fs")
    monkeypatch.setattr(machine, "OWN_CGROUP", tmp_path / "own")


@pytest.fixture
def control_groups(tmp_path):
    """`control_groups(lines, files)`: those that this process is in, and their files."""

    def write(lines, files):
        (tmp_path / "own").write_text("\n".join(lines))
        for name, text in files.items():
            path = tmp_path / "fs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


def test_one_cpu_of_each_core():
    assert machine.physical_cores() == [0, 1, 7]
    assert machine.logical_cores() == [0, 1, 3, 4, 7]


@pytest.mark.parametrize(
    ("lines", "files", "threads", "processes"),
    [
        ([], {}, 3, 5),
        (["0::/a/b"], {"a/b/cpu.max": "max 100000", "a/cpu.max": "250000 100000"}, 2, 2),
        (["0::/a"], {"a/cpu.max": "50000 100000"}, 1, 1),
        (["0::/a"], {"a/cpu.max": "400000 100000"}, 3, 4),
        (["0::/a"], {"a/cpu.max": "900000 100000"}, 3, 5),
        (["0::/a/b"], {"a/cpu.max": "200000 100000", "a/b/cpu.max": "400000 100000"}, 2, 2),
        (["3:cpu:/x"], {"cpu/x/cpu.cfs_quota_us": "200000", "cpu/x/cpu.cfs_period_us": "100000"}, 2, 2),
        (["3:cpu:/x"], {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, 3, 5),
    ],
)
def test_the_quota_is_a_limit(control_groups, lines, files, threads, processes):
    control_groups(lines, files)
    assert machine.available_threads() == threads
    assert machine.available_processes() == processes


def test_no_control_groups():
    assert machine.available_threads() == 3
    assert machine.available_processes() == 5


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("processor : 0\nflags\t\t: fpu sse4_2 avx512_vnni\n", {"fpu", "sse4_2", "avx512_vnni"}),
        ("processor : 0\nFeatures\t: fp asimd asimddp\n", {"fp", "asimd", "asimddp"}),
        ("processor : 0\nisa\t\t: rv64imv_zba_zvfh\n", {"i", "m", "v", "zba", "zvfh"}),
        ("flags\t: fpu sse2 avx2\n\nprocessor : 1\nflags\t: fpu sse2\nbugs\t: avx512f\n", {"fpu", "sse2"}),
        ("nothing\n", set()),
    ],
)
def test_flags_are_those_that_all_processors_have(tmp_path, text, flags):
    (tmp_path / "cpuinfo").write_text(text)
    assert machine.cpu_flags(tmp_path / "cpuinfo") == flags


def test_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    assert machine.cpu_flags() == set()
    assert machine.cpu_name() is None


def test_the_name_of_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Quick 9000\n")
    assert machine.cpu_name() == "Quick 9000"


def test_the_first_compiler_that_is_there(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: None if name == "cc" else f"/bin/{name}")
    assert machine.c_compiler() == "/bin/gcc"


def test_no_compiler(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    assert machine.c_compiler() is None


@pytest.mark.parametrize("question", ["sched_getaffinity", "cpu_count", "/proc/cpuinfo", "which("])
def test_nobody_else_asks(question):
    """Another count of cores would not know of the quota."""
    src = Path(machine.__file__).parents[1]
    asking = {path for path in src.rglob("*.py") if question in path.read_text(encoding="utf-8")}
    others = {path.name for path in asking - {Path(machine.__file__)}}
    assert others <= {"manifest.py", "target.py"}  # which speak of /proc/cpuinfo's spelling
