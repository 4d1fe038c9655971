"""The machine as `tyllm doctor` shows it."""

from tyllm.cli import machine_summary


def test_this_machine_has_cores_and_memory():
    found = machine_summary.this_machine()
    assert found.cores >= 1
    assert found.memory_bytes > 1 << 28


def test_the_compiler_goes_by_its_name_and_cores_by_the_quota(monkeypatch):
    monkeypatch.setattr(machine_summary, "c_compiler", lambda: "/usr/bin/gcc")
    monkeypatch.setattr(machine_summary, "available_processes", lambda: 3)
    found = machine_summary.this_machine()
    assert (found.c_compiler, found.cores) == ("gcc", 3)


def test_no_compiler(monkeypatch):
    monkeypatch.setattr(machine_summary, "c_compiler", lambda: None)
    assert machine_summary.this_machine().c_compiler is None
