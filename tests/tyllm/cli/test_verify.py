"""`tyllm verify` finds a flipped bit anywhere."""

import json

import pytest
from tests.forgeries import edit


def test_a_sound_package(tyllm, package):
    assert "is sound" in tyllm("verify", package).out
    report = json.loads(tyllm("verify", package, "--json").out)
    files = [path for path in package.rglob("*") if path.is_file()]
    assert (report["sound"], report["files"]) == (True, len(files) - 1)


@pytest.mark.parametrize("name", ["batch_1/common_die0.params", "batch_1/seqlen_1/llm_die1.so", "program.json"])
def test_a_flipped_bit(tyllm, package, name):
    data = bytearray((package / name).read_bytes())
    data[-1] ^= 1
    (package / name).write_bytes(data)
    outcome = tyllm("verify", package, "--json")
    assert outcome.code == 6
    assert json.loads(outcome.out)["exit_code"] == 6
    assert name in outcome.err
    assert "was changed or damaged" in outcome.err


def test_another_cpu(tyllm, package):
    target = json.loads((package / "manifest.json").read_text())["target"]
    edit(package, "manifest.json", target=target | {"features": ["no_such_flag"]})
    outcome = tyllm("verify", package)
    assert outcome.code == 6
    assert "no_such_flag" in outcome.err
    assert tyllm("inspect", package).code == 0  # looking needs no CPU
