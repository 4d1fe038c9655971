"""A lock keeps others out, says who has it, is free when its process ends, and leaves no file."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tyllm_base import file_lock
from tyllm_base.file_lock import FileLock
from tyllm_base.unfinished import remove_unfinished

HOLDS = "import sys, time; from tyllm_base.file_lock import FileLock; from pathlib import Path; lock = FileLock.take(Path(sys.argv[1])); print(1, flush=True); time.sleep(60)"  # noqa: E501
COUNTS = """
import sys
from pathlib import Path
from tyllm_base.file_lock import FileLock
count = Path(sys.argv[2])
for _ in range(100):
    lock = FileLock.take(Path(sys.argv[1]), wait=True)
    count.write_text(str(int(count.read_text()) + 1))
    lock.release()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has the lock."""
    with subprocess.Popen([sys.executable, "-c", HOLDS, tmp_path / "lock"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        yield process
        process.kill()


def written(path):
    """What a write changes; a look changes the time of the last one."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, path.read_bytes()


def test_the_other_is_named_and_its_file_untouched(tmp_path, holder):
    before = written(tmp_path / "lock")
    with pytest.raises(BlockingIOError) as refused:
        FileLock.take(tmp_path / "lock")
    assert refused.value.strerror.startswith(f"process {holder.pid} on ") and " since 20" in refused.value.strerror
    assert written(tmp_path / "lock") == before


def test_a_killed_process_lets_go(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "lock").exists()
    FileLock.take(tmp_path / "lock").release()
    assert not list(tmp_path.iterdir())


def test_in_one_process_too(tmp_path):
    first = FileLock.take(tmp_path / "lock")
    with pytest.raises(BlockingIOError):
        FileLock.take(tmp_path / "lock")
    threading.Timer(0.1, first.release).start()
    FileLock.take(tmp_path / "lock", wait=True).release()
    first.release()  # again: nothing


def test_nobody_else_is_in_while_files_come_and_go(tmp_path):
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", COUNTS, tmp_path / "lock", tmp_path / "count"]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "300" and not (tmp_path / "lock").exists()


def test_a_child_does_not_let_go(tmp_path):
    lock = FileLock.take(tmp_path / "lock")
    child = os.fork()
    if not child:
        lock.release()
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(BlockingIOError):
        FileLock.take(tmp_path / "lock")
    lock.release()


def test_a_process_that_has_to_end_at_once_leaves_no_file(tmp_path):
    lock = FileLock.take(tmp_path / "lock")
    remove_unfinished()
    assert not list(tmp_path.iterdir())
    lock.release()
    FileLock.take(tmp_path / "lock").release()
    (tmp_path / "lock").touch()
    remove_unfinished()
    assert (tmp_path / "lock").exists()


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("x")
    (tmp_path / "lock").symlink_to("mine")
    with pytest.raises(OSError, match="symbolic links"):
        FileLock.take(tmp_path / "lock")
    assert (tmp_path / "mine").read_text() == "x"


def test_what_the_other_says_cannot_act_on_the_terminal(tmp_path):
    lock = FileLock.take(tmp_path / "lock")
    (tmp_path / "lock").write_text("\x1b[2J")
    with pytest.raises(BlockingIOError) as refused:
        FileLock.take(tmp_path / "lock")
    assert "not said" in refused.value.strerror
    lock.release()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_the_file_itself_is_the_lock(tmp_path, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(file_lock, "POLL", 0.01)
    first = FileLock.take(tmp_path / "lock")
    with pytest.raises(BlockingIOError, match="if it has ended, remove"):
        FileLock.take(tmp_path / "lock")
    FileLock.take(tmp_path / "lock", wait=True, needed=False)  # for a file that any run may write anew
    threading.Timer(0.05, first.release).start()
    began = time.monotonic()
    FileLock.take(tmp_path / "lock", wait=True).release()
    assert time.monotonic() - began > 0.03 and not (tmp_path / "lock").exists()


def test_other_refusals_pass(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="broken"):
        FileLock.take(tmp_path / "lock")
    with pytest.raises(FileNotFoundError):
        FileLock.take(tmp_path / "not" / "there")


def test_what_another_user_left_is_taken_over(tmp_path, monkeypatch):
    (tmp_path / "lock").write_text("process 1 on elsewhere")
    open_as_root = os.open

    def refuse(path, flags, *arguments):
        if flags & os.O_RDWR and not flags & os.O_CREAT and path.exists():
            raise PermissionError(errno.EACCES, "denied")
        return open_as_root(path, flags, *arguments)

    monkeypatch.setattr(os, "open", refuse)
    lock = FileLock.take(tmp_path / "lock")
    assert (tmp_path / "lock").read_text().startswith(f"process {os.getpid()} ")
    lock.release()
