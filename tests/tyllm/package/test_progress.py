"""The progress of the command line and that of a test fit every task that says how far it is."""

import inspect
import io
import typing

from tyllm.cli.progress_bar import progress_bar
from tyllm.package import verify_package
from tyllm.package.progress import Progress


def test_done_total_and_what_is_done():
    arguments, _ = typing.get_args(Progress)
    assert arguments == [int, int, str]


def test_a_bar_takes_what_a_task_tells(toy):
    assert "Progress" in str(inspect.signature(verify_package))
    with progress_bar("verify", io.StringIO()) as bar:
        verify_package(toy(dies=2), bar)
