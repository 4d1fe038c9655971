"""Streams that are closed, full, or left by their reader: an exit code, no traceback, no file written by mistake."""

import os
import subprocess
import sys

import pytest

from tyllm.cli.standard_streams import _Result

COMMANDS = {"a result": "models --json", "a table": "models", "a mistake": "verify /nonexistent --json"}
CASES = [
    *(("a result", redirection) for redirection in ("2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full", "2>&1 | true")),
    *(("a table", redirection) for redirection in (">&-", ">/dev/full")),
    *(("a mistake", redirection) for redirection in ("2>&-", ">/dev/full", "2>&1 | true")),
]


@pytest.mark.parametrize(("command", "redirection"), CASES)
def test_a_command_ends_as_it_should(command, redirection):
    line = f"{sys.executable} -m tyllm {COMMANDS[command]} {redirection}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    full = "/dev/full" in redirection.split("2>")[0]
    expected = 6 if command == "a mistake" else 7 if full else 0
    assert done.returncode == expected, done.stderr
    said = "2>" not in redirection and expected
    assert done.stderr.count("\n") == bool(said)
    assert not said or done.stderr.startswith("tyllm: ")
    if redirection == ">/dev/full" and expected == 7:
        assert (
            done.stderr == "tyllm: Cannot write the standard output: the disk is full; free some space and run again.\n"
        )


STRAY = """
import os, sys
from tyllm.cli import app, entry_point
def command(**_):
    file = open(sys.argv[1], "w")
    print("result", flush=True)
    print("message", file=sys.stderr)
    os.write(1, b"from C")
app.app = command
entry_point.main([])
"""


def test_what_is_said_never_lands_in_a_file_of_the_command(tmp_path):
    line = '"$0" -c "$1" "$2" <&- >&- 2>&-'
    subprocess.run(["bash", "-c", line, sys.executable, STRAY, tmp_path / "file"], check=True)
    assert (tmp_path / "file").read_text() == ""


def test_a_stream_that_does_not_block_is_waited_for():
    read, write = os.pipe()
    os.set_blocking(write, False)
    with subprocess.Popen(["sh", "-c", "sleep 0.3; wc -c"], stdin=read, stdout=subprocess.PIPE, text=True) as reader:
        os.close(read)
        stream = _Result(write, "w")
        left = 1_000_000
        while left:
            left -= stream.write(b"x" * left)
        stream.close()
        assert reader.stdout.read() == "1000000\n"
