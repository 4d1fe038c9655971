"""A missing extra is a sentence with the pip command."""

import pytest

from tyllm.cli import missing_extra
from tyllm.cli.missing_extra import COMPILE_MODULES, require
from tyllm_base.errors import MissingExtraError


def test_missing_modules_are_named_with_the_cure(monkeypatch):
    monkeypatch.setattr(missing_extra, "find_spec", lambda name: None if name in ("torch", "tvm") else object())
    with pytest.raises(MissingExtraError, match=r'^`tyllm compile` needs torch, tvm: .*pip install "tyllm\[compile\]"'):
        require("compile", COMPILE_MODULES)


def test_nothing_missing():
    require("compile", ("json", "tyllm"))


def test_the_command_exits_with_9_before_it_looks_at_anything(tyllm, monkeypatch):
    monkeypatch.setattr(missing_extra, "find_spec", lambda name: None)
    for command in ("quantize", "compile"):
        outcome = tyllm(command, "no-such-folder")
        assert outcome.code == 9
        assert "pip install" in outcome.err
