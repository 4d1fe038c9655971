"""Moments are spread over the run, and the remains of a killed run are told."""

import os
import random
import subprocess
import sys

import kill_and_resume
from kill_and_resume import Moment, Subject, cpu_seconds, digests, litter, moments, remains, split_arguments


def test_four_fifths_of_the_kills_are_over_the_whole_run():
    found = moments(20, 100.0, 2.0, random.Random(0))
    anywhere, gathering = found[:16], found[16:]
    assert all(6.25 * i <= moment.seconds <= 6.25 * (i + 1) for i, moment in enumerate(anywhere))
    assert all(moment.gathering and moment.seconds <= 2.0 for moment in gathering)
    assert not any(moment.gathering for moment in anywhere)


def test_options_after_two_dashes_are_the_quantizers():
    assert split_arguments(["model", "--", "--bits", "8"]) == (["model"], ["--bits", "8"])
    assert split_arguments(["model"]) == (["model"], [])


def test_the_remains_of_a_run(tmp_path):
    output = tmp_path / "out"
    partial = tmp_path / "out.partial"
    partial.mkdir()
    for name in ("layer-0.part", "layer-1.part", "rest.part", "layer-2.part.tmp"):
        (partial / name).touch()
    assert remains(output) == "2 layers, the rest, 1 unfinished files"
    (tmp_path / ".out.tyllm.tmp").mkdir()
    assert remains(output).endswith("half a result")
    assert litter(output) == [partial, tmp_path / ".out.tyllm.tmp"] and litter(tmp_path / "other") == []


def test_a_changed_byte_changes_the_digest(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    before = digests(tmp_path)
    (tmp_path / "a").write_bytes(b"2")
    assert digests(tmp_path).keys() == before.keys() and digests(tmp_path) != before


def test_a_moment_comes_after_its_cpu_seconds(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as run:
        Moment(0.2).wait(run, tmp_path)
        used = cpu_seconds(run.pid)
        run.kill()
    assert used >= 0.2 - 1 / os.sysconf("SC_CLK_TCK")


def test_a_run_is_the_command_with_its_options(monkeypatch, tmp_path):
    commands = []
    monkeypatch.setattr(kill_and_resume.subprocess, "Popen", lambda command, stdout, stderr: commands.append(command))
    Subject(tmp_path / "model", ["--bits", "8"]).start(tmp_path / "out", tmp_path / "log")
    assert commands[0][1:4] == ["-m", "tyllm", "quantize"] and commands[0][-2:] == ["--bits", "8"]
