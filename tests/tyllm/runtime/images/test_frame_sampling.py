"""Frames are taken as transformers takes them."""

import math
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from tyllm.runtime.images import ImageSettings, fit_video
from tyllm.runtime.images.frame_sampling import sample_frames
from tyllm_base.errors import ImageError


@pytest.fixture
def hugging_face(video_method):
    """`sample_frames` of transformers, as a list."""
    sample_frames = video_method("sample_frames")
    defaults = SimpleNamespace(num_frames=None, fps=None, temporal_patch_size=2, min_frames=4, max_frames=768)

    def indices(total, source_fps=None, **options):
        metadata = SimpleNamespace(total_num_frames=total, fps=source_fps)
        return sample_frames(defaults, metadata, **options).tolist()

    return indices


def test_numbers_of_frames(hugging_face):
    for total in range(2, 130):
        for count in range(2, total + 1):
            if round(count / 2) * 2 <= total:
                assert sample_frames(total, None, None, count, 768, 2) == hugging_face(total, num_frames=count)


@pytest.mark.parametrize("source_fps", [5.0, 10.0, 23.976, 29.97, 60.0])
def test_frames_per_second(hugging_face, source_fps):
    for total in [*range(2, 60), 100, 301, 999, 2500]:
        for fps in (0.5, 1, 2, 3.3, 24):
            taken = sample_frames(total, source_fps, fps, None, 768, 2)
            assert taken == hugging_face(total, source_fps, fps=fps)
            assert taken == sorted(set(taken))
            assert len(taken) <= 768


def test_all_frames_without_a_wish():
    assert sample_frames(5, None, None, None, 768, 2) == [0, 1, 2, 3, 4]


def test_videos_shorter_than_a_temporal_patch():
    assert sample_frames(1, 10.0, 2.0, None, 768, 2) == [0]
    assert sample_frames(1, None, None, 1, 768, 2) == [0]
    assert sample_frames(7, None, None, 7, 768, 2) == list(range(7))
    assert sample_frames(9, None, None, 1, 768, 2) == [0, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, None, None, None), "no frames"), ((9, 10, 2, 4), "give one of them"), ((9, None, 2, None), "give source_fps"),
     ((9, 10, 0, None), "fps is 0"), ((9, 10, float("nan"), None), "fps is nan"), ((9, None, None, -3), "frames is -3"),
     ((9, 0, None, None), "source_fps is 0"), ((9, None, None, 10), "num_frames=10 are more than the video's 9"),
     ((1000, None, None, None), "1,000 frames are more than 768; sample"), ((9000, None, None, 800), "800 frames")],
)  # fmt: skip
def test_what_is_refused(arguments, message):
    with pytest.raises(ImageError, match=message):
        sample_frames(*arguments, 768, 2)


@pytest.mark.parametrize(
    "value", [10**400, -(10**4000), float("inf"), -math.inf, math.nan, 0, 0.0, 5e-324, 1e308, True, "2", [2], 1j,
              Fraction(10) ** 400, Decimal("NaN"), np.float64("nan"), np.zeros(2)],
)  # fmt: skip
@pytest.mark.parametrize("name", ["fps", "source_fps", "num_frames"])
def test_rates_that_are_none(name, value):
    rates = {"source_fps": 30, "fps": None, "num_frames": None, name: value}
    with pytest.raises(ImageError, match=f"{name} is .*; it must be a positive") as caught:
        sample_frames(9, *rates.values(), 768, 2)
    assert len(str(caught.value)) < 200
    with pytest.raises(ImageError, match=f"{name} is .*; it must be a positive"):
        fit_video([], ImageSettings(), ((56, 56),), **rates)


@pytest.mark.parametrize(
    "rates", [(1e-6, 1e6), (1e6, 1e-6), (1e-6, 1e-6), (1e6, 1e6), (np.float32(24), Fraction(1, 3))]
)
def test_extreme_rates_are_sampled(rates):
    assert 4 <= len(sample_frames(9, *rates, None, 768, 2)) <= 9
