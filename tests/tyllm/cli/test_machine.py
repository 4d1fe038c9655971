"""The machine: its C compiler is looked for in order."""

from tyllm.cli import machine
from tyllm.cli.machine import c_compiler, this_machine


def test_this_machine_has_cores_and_memory():
    found = this_machine()
    assert found.cores >= 1
    assert found.memory_bytes > 1 << 28


def test_the_first_compiler_that_is_there(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: None if name == "cc" else f"/bin/{name}")
    assert c_compiler() == "gcc"


def test_no_compiler(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    assert c_compiler() is None
