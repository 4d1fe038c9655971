"""A disk of a few kilobytes, where this user may mount one."""

import subprocess
from contextlib import contextmanager

import pytest


@contextmanager
def small_disk(folder, size, mode="rw"):
    """A file system of `size` bytes at `folder`; the test is skipped where it cannot be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},{mode}", "tmpfs", folder]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user cannot mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
