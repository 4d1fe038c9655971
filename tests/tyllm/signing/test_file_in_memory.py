"""A file in memory can be read several times, and is gone with the block."""

from tyllm.signing.file_in_memory import file_in_memory


def test_it_is_read_twice_and_gone_at_the_end():
    with file_in_memory(b"bytes") as path:
        assert (path.read_bytes(), path.read_bytes()) == (b"bytes", b"bytes")
    assert not path.exists()
