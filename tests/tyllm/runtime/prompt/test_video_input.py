"""Videos with their rates."""

import numpy as np
import pytest

from tyllm.runtime.prompt.video_input import VideoInput
from tyllm_base.errors import ImageError


def test_frames_and_folders_have_the_rate_that_is_given(tmp_path):
    for video in ([1, 2], np.zeros((2, 3, 3, 3), np.uint8), tmp_path, str(tmp_path)):
        assert VideoInput(video, fps=2).rates == {"source_fps": 2, "num_frames": None}
        assert VideoInput(video, fps=2, source_fps=8).rates == {"fps": 2, "source_fps": 8, "num_frames": None}


def test_a_file_is_sampled_at_the_rate_that_is_given(tmp_path):
    for video in (tmp_path / "film.gif", "data:image/gif;base64,R0lGODlh", b"GIF"):
        assert VideoInput(video, fps=2).rates == {"fps": 2, "source_fps": None, "num_frames": None}


def test_what_a_caller_may_give():
    assert VideoInput.of({"type": "video", "video": "a", "fps": 2, "num_frames": None}) == VideoInput("a", 2)
    assert VideoInput.of("a") == VideoInput("a") == VideoInput.of(VideoInput("a"))
    with pytest.raises(ImageError, match="given with type, fps; give it as 'video'"):
        VideoInput.of({"type": "video", "fps": 2})
