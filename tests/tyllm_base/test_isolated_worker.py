"""The isolated process's own half: what it answers, and the limits that it sets itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tyllm_base.isolated_worker import address_space, answer_to, message_of

WORKER = Path(answer_to.__code__.co_filename)


def test_answers():
    assert json.loads(answer_to(lambda request: request.decode(), b"x")) == ["value", "x"]
    assert json.loads(answer_to(lambda _: 1 / 0, b"")) == ["raised", "ZeroDivisionError: division by zero"]
    assert json.loads(answer_to(lambda _: bytearray(1 << 62), b"")) == ["memory", None]


def test_an_exception_that_cannot_be_said():
    class SilentError(Exception):
        def __str__(self):
            raise ValueError

    assert message_of(SilentError()) == "SilentError"
    assert message_of(ValueError()) == "ValueError"


def test_a_librarys_exception_speaks_for_itself():
    from jinja2 import TemplateError

    assert message_of(TemplateError("roles must alternate")) == "roles must alternate"
    assert len(message_of(TemplateError("x" * 10**6))) == 500


def test_the_address_space_is_what_the_kernel_says():
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    assert abs(address_space() - pages * os.sysconf("SC_PAGE_SIZE")) < 1 << 26


def test_it_needs_nothing_of_ours():
    command = [sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path({str(WORKER)!r}); print('alone')"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "alone\n"
