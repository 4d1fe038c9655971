"""How many tokens go into a step, by the programs that there are."""

import pytest

from tyllm.runtime.scheduler.step_limits import StepLimits


def limits(rows, most=None, seq_lens=(1, 16, 128)):
    return StepLimits(seq_lens, rows, most, 1000)


@pytest.mark.parametrize(
    ("rows", "most", "decoding", "beside"),
    [(0, None, 4, 0), (32, None, 4, 28), (32, None, 0, 0), (32, 20, 4, 16), (32, 64, 4, 28), (32, None, 26, 0),
     (4, None, 1, 0)],
)  # fmt: skip
def test_rows_beside_decoding_sequences(rows, most, decoding, beside):
    assert limits(rows, most).rows_beside(decoding) == beside


def test_a_prompt_alone_goes_in_the_largest_chunks():
    assert [limits(0).alone(count, 10_000) for count in (1, 16, 128, 130, 1000)] == [1, 16, 128, 128, 128]
    assert [limits(0).decoding(40), limits(32).decoding(40), limits(32, 8).decoding(40), limits(32).decoding(3)] == [
        40, 32, 8, 3,
    ]  # fmt: skip
    assert limits(0, 50).alone(1000, 10_000) == 128
    assert [limits(0, most).alone(1000, 10_000, beside_others=True) for most in (None, 500, 50, 1)] == [128, 128, 16, 1]
    assert limits(0, 4, (8, 16)).alone(1000, 10_000, beside_others=True) == 8


def test_padding_and_scored_rows():
    assert [limits(0).padded(count) for count in (1, 2, 17, 128)] == [1, 16, 128, 128]
    assert limits(0).scored_rows == 128
    assert StepLimits((1, 8, 256), 0, None, 152_000).scored_rows == 8
    assert StepLimits((1,), 0, None, 1 << 28).scored_rows == 1
