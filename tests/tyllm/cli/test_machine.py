"""The machine: its C compiler is looked for in order."""

from tyllm.cli import machine
from tyllm.cli.machine import c_compiler, this_machine


def test_this_machine_has_cores_and_memory():
    found = this_machine()
    assert found.cores >= 1
    assert found.memory_bytes > 1 << 28


def test_the_compiler_that_cc_names_comes_first(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setenv("CC", "zig cc")
    assert c_compiler() == "zig cc"
    monkeypatch.delenv("CC")
    assert c_compiler() == "cc"


def test_no_compiler(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    assert c_compiler() is None
