"""The doctor names what is missing, its cure, and what can be done without it."""

import json
from dataclasses import replace

from tyllm.cli import doctor as module
from tyllm.cli.doctor import examine
from tyllm.cli.installed_requirements import Requirement
from tyllm.cli.machine_summary import Machine

BARE = Machine("Linux x86_64", "a CPU", 2, ("AVX2",), 8 << 30, None)
NUMPY = Requirement("numpy", ">=2,<3", "", "2.4.0")
TORCH = Requirement("torch", ">=2.10,<2.14", "compile", None)


def test_cures_stand_only_beside_what_is_missing():
    cures = {finding.what: finding.cure for finding in examine(BARE, [NUMPY, TORCH]) if finding.cure}
    assert set(cures) == {"C compiler", "torch"}
    assert "gcc" in cures["C compiler"]
    assert cures["torch"] == 'pip install "tyllm[compile]"'


def test_what_a_base_install_can_do(tyllm, monkeypatch):
    monkeypatch.setattr(module, "this_machine", lambda: BARE)
    monkeypatch.setattr(module, "requirements", lambda: [NUMPY, TORCH])
    can = json.loads(tyllm("doctor", "--json").out)["can"]
    assert can["run"] is True
    assert can["quantize and compile"] is False
    assert "pip install" in tyllm("doctor").out


def test_an_untried_version_is_named_but_stops_nothing(tyllm, monkeypatch):
    old = Requirement("torch", ">=2.10,<2.14", "compile", "2.9.0")
    monkeypatch.setattr(module, "this_machine", lambda: replace(BARE, c_compiler="cc"))
    monkeypatch.setattr(module, "requirements", lambda: [NUMPY, old])
    report = json.loads(tyllm("doctor", "--json").out)
    assert report["findings"][-1]["state"] == "untried"
    assert report["can"]["quantize and compile"] is True


def test_another_system_cannot_run():
    strange = Machine("Darwin arm64", "a CPU", 2, (), 8 << 30, "cc")
    assert any(finding.cure and finding.needed_for == "run" for finding in examine(strange, []))


def test_here(tyllm):
    outcome = tyllm("doctor")
    assert outcome.code == 0
    assert "processor" in outcome.out
