"""A library that is shorter than its segments is known before the linker maps it."""

import pytest

from tyllm.runtime.execute.elf_segments import needed_bytes


def test_a_whole_library_has_what_it_needs(toy_library):
    assert 4096 < needed_bytes(toy_library.read_bytes()) <= toy_library.stat().st_size


def test_a_truncated_one_has_not(toy_library):
    code = toy_library.read_bytes()
    whole = needed_bytes(code)
    for length in [*range(6, 400), whole // 2, whole - 1]:
        assert needed_bytes(code[:length]) > length


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x7fELF\x01\x01" + bytes(100), b"\x7fEL"])
def test_what_is_no_library_is_left_to_the_linker(content):
    assert needed_bytes(content) == 0
