"""Sizes and counts that read well."""

import pytest

from tyllm.cli.quantities import byte_size, pluralized


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB"), (5 << 50, "5120.0 TiB")]
)
def test_a_number_of_bytes_has_the_unit_that_reads_best(count, text):
    assert byte_size(count) == text


def test_only_one_is_singular():
    assert [pluralized(count, "die") for count in (0, 1, 2)] == ["0 dies", "1 die", "2 dies"]
