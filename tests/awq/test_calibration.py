"""Calibration samples from every kind of source, and what each wrong one gets."""

import pytest
import torch

from awq.calibration import BUNDLED, calibration_samples
from awq.errors import CalibrationError


class Letters:
    """A tokenizer whose tokens are bytes."""

    def encode(self, text):
        return list(text.encode())


def samples(source, count=4, length=10, vocabulary=256):
    return calibration_samples(source, Letters(), count, length, vocabulary)


def test_the_bundled_text_is_the_default():
    found = samples(None)
    assert found.shape == (4, 10) and found.dtype == torch.int64
    assert bytes(found[0].tolist()) == BUNDLED.read_bytes().strip()[:10]


def test_texts_are_joined_and_cut():
    assert samples(["abcdefgh", " ijklmnopqrst "]).tolist() == [list(b"abcdefghij"), list(b"klmnopqrst")]


def test_token_ids_are_taken_as_they_are():
    assert samples([[1, 2], [3, 4]], length=2).tolist() == [[1, 2], [3, 4]]


def test_samples_are_spread_over_a_long_source():
    assert samples([[i] for i in range(40)], count=2, length=5)[:, 0].tolist() == [0, 20]


def test_a_short_text_is_one_short_sample():
    assert samples(["abc"]).shape == (1, 3)


def test_a_file(tmp_path):
    (tmp_path / "text").write_text("hello worldwide")
    assert bytes(samples(tmp_path / "text")[0].tolist()) == b"hello worl"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "holds no tokens"),
        ([""], "holds no tokens"),
        ([[300]], "holds the token 300, but the model has 256"),
        ([[-1]], "holds the token -1"),
        (["a", [1]], "mixes types"),
        ("no/such/dataset", "no/such/dataset"),
    ],
)
def test_wrong_sources(source, message):
    with pytest.raises(CalibrationError, match=message) as caught:
        samples(source)
    assert caught.value.exit_code == 4


def test_a_file_that_is_not_text(tmp_path):
    (tmp_path / "x").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(CalibrationError, match="cannot be read as UTF-8"):
        samples(str(tmp_path / "x"))


def test_text_needs_a_tokenizer():
    with pytest.raises(CalibrationError, match="needs a tokenizer"):
        calibration_samples(["a"], None, 1, 1, 256)


def test_no_samples():
    with pytest.raises(CalibrationError, match="0 samples"):
        samples(None, count=0)
