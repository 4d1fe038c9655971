"""What a wrong package gets from `run`: each row is a way to break it and the sentence; the exit code is 6."""

import json
import shutil

import pytest
from tests.bad_input.broken_folders import empty
from tests.bad_input.commands import RUN, agrees, fill
from tests.forgeries import edit

from tyllm.cli import main

CODE, WEIGHTS = "batch_1/seqlen_8/llm_die0.so", "batch_1/common_die0.params"


def flipped(name):
    def change(folder):
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)

    return change


def missing(name):
    return lambda folder: (folder / name).unlink()


def manifest(**changes):
    return lambda folder: edit(folder, "manifest.json", **changes)


def target(**changes):
    def change(folder):
        found = json.loads((folder / "manifest.json").read_text())["target"]
        edit(folder, "manifest.json", target=found | changes)

    return change


def wrong_weights_length(folder):
    with (folder / WEIGHTS).open("ab") as file:
        file.write(b"!")


PACKAGES = {
    "no package": (
        empty, "{package} is no package: it has no manifest.json; give the folder that `tyllm compile` made."),
    "no folder": (shutil.rmtree, "{package} is no folder; give the folder that `tyllm compile` made."),
    "a bit flipped in code": (
        flipped(CODE),
        f"{{package}}/{CODE} was changed or damaged: its SHA-256 is … instead of …; "
        "copy it again or compile the model again."),
    "a bit flipped in weights": (flipped(WEIGHTS), f"{{package}}/{WEIGHTS} was changed or damaged: …."),
    "a bit flipped in JSON": (
        flipped("buffer_config.json"), "{package}/buffer_config.json was changed or damaged: …."),
    "code is missing": (missing(CODE), f"{{package}} lacks {CODE}; copy it again or compile the model again."),
    "weights are missing": (
        missing(WEIGHTS), f"{{package}} lacks {WEIGHTS}; copy it again or compile the model again."),
    "weights are too long": (
        wrong_weights_length,
        f"{{package}}/{WEIGHTS} is too long: … bytes instead of …; copy it again or compile again."),
    "another version": (manifest(format_version=99), "{package}…has format_version 99, this TyLLM reads 4; …."),
    "another runtime": (manifest(runtime_abi=99), "{package}…has runtime_abi 99, this TyLLM reads 3; …."),
    "another machine": (
        target(triple="s390x-linux-gnu"),
        "{package} was compiled for s390x, this machine is …; compile the model for it."),
    "another CPU": (
        target(features=["quantum_dot4"]),
        "{package} was compiled for a CPU with quantum_dot4, which this one lacks; "
        "compile the model on this machine, or for a plainer one (--target)."),
}  # fmt: skip


@pytest.mark.parametrize("mistake", PACKAGES)
def test_a_wrong_package(tyllm, package, tmp_path, mistake):
    breaking, sentence = PACKAGES[mistake]
    own = tmp_path / "package"
    shutil.copytree(package, own)
    breaking(own)
    agrees(tyllm(fill(RUN, package=own)), 6, sentence, package=own)


def test_a_good_package_runs(package, capfd):
    """The rows above fail by what was broken, not by what they all share."""
    assert main(fill(RUN, package=package)) == 0
    assert capfd.readouterr().out
