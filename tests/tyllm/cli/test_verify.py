"""`tyllm verify` finds a flipped bit anywhere."""

import json

import pytest

from .sample_package import write_package


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write_package(tmp_path / "package")


def test_a_sound_package(tyllm, package):
    assert "is sound" in tyllm("verify", package).out
    report = json.loads(tyllm("verify", package, "--json").out)
    assert (report["sound"], report["files"]) == (True, 7)


@pytest.mark.parametrize("name", ["batch_1/common_die0.params", "batch_1/seqlen_1/llm_die0.so", "config.json"])
def test_a_flipped_bit(tyllm, package, name):
    data = bytearray((package / name).read_bytes())
    data[-1] ^= 1
    (package / name).write_bytes(data)
    outcome = tyllm("verify", package, "--json")
    assert outcome.code == 6
    assert json.loads(outcome.out)["exit_code"] == 6
    assert name in outcome.err
    assert "was changed or damaged" in outcome.err
