"""Available memory: the machine's, or what the tightest control group leaves."""

import pytest

import tyllm_base.available_memory as module

GIB = 1 << 30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """`machine(lines, files)`: 8 GiB are available; these control groups, and their files."""
    (tmp_path / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {8 * GIB // 1024} kB\n")
    monkeypatch.setattr(module, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(module, "CGROUPS", tmp_path / "fs")
    monkeypatch.setattr(module, "OWN_CGROUP", tmp_path / "own")

    def write(lines, files):
        (tmp_path / "own").write_text("\n".join(lines))
        for name, text in files.items():
            path = tmp_path / "fs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(text))

    return write


@pytest.mark.parametrize(
    ("lines", "files", "available"),
    [
        ([], {}, 8 * GIB),
        (["0::/a/b"], {"a/memory.max": 3 * GIB, "a/memory.current": GIB, "a/b/memory.max": "max"}, 2 * GIB),
        (["0::/"], {"memory.max": 3 * GIB, "memory.current": GIB, "memory.stat": f"inactive_file {GIB}"}, 3 * GIB),
        (["4:memory:/x"], {"memory/x/memory.limit_in_bytes": GIB, "memory/x/memory.usage_in_bytes": 5}, GIB - 5),
        (["0::/a"], {"a/memory.max": GIB, "a/memory.current": 2 * GIB}, 0),
        (["0::/a"], {"a/memory.max": 99 * GIB, "a/memory.current": 0}, 8 * GIB),
        (["0::/a"], {"a/memory.max": "nonsense", "a/memory.current": 0}, 8 * GIB),
    ],
)
def test_the_least_of_all_limits(machine, lines, files, available):
    machine(lines, files)
    assert module.available_memory() == available


def test_a_kernel_that_says_nothing(machine, tmp_path):
    machine([], {})
    (tmp_path / "meminfo").write_text("")
    assert module.available_memory() == module.UNTOLD
