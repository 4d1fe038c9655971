"""Videos become temporal patches; each is what the frames stacked would be."""

import numpy as np
import pytest

from tyllm.runtime.images import ImageSettings, fit_image, fit_video
from tyllm.runtime.images.patches import patchify
from tyllm_base.errors import ImageError

SIZES = ((84, 112),)


@pytest.fixture
def frames(draw):
    return [draw(84, 112, seed) for seed in range(5)]


def test_frames_pair_up_and_the_last_is_repeated(frames, settings):
    fitted = fit_video(frames, settings, SIZES)
    assert (fitted.grid, fitted.tokens, fitted.patches.shape) == ((3, 6, 8), 36, (3, 48, 1176))
    arrays = [np.asarray(frame) for frame in frames]
    for index, pair in enumerate([(0, 1), (2, 3), (4, 4)]):
        assert np.array_equal(fitted.patches[index], patchify([arrays[i] for i in pair], (84, 112), settings))
    assert (fitted.how, fitted.message) == ("as Hugging Face", None)


def test_longer_temporal_patches(frames):
    settings = ImageSettings(temporal_patch_size=4)
    fitted = fit_video([*frames, frames[0]], settings, SIZES)
    last = [np.asarray(frames[index]) for index in (4, 0, 0, 0)]
    assert np.array_equal(fitted.patches[1], patchify(last, (84, 112), settings))


def test_one_frame_is_an_image(frames, settings):
    video, image = fit_video(frames[:1], settings, SIZES), fit_image(frames[0], settings, SIZES)
    assert np.array_equal(video.patches, image.patches)
    assert video.grid == image.grid
    assert video.digest != image.digest  # an image has no seconds


def test_other_sizes_are_fitted_alike(draw, settings):
    frames = [draw(100, 300, seed) for seed in range(2)]
    fitted = fit_video(frames, settings, SIZES)
    assert fitted.message == "The video is 300×100; scaled to 112×37 and padded to 112×84, the nearest compiled size."
    first = fit_image(frames[0], settings, SIZES).patches[0].reshape(48, 3, 2, 196)
    assert np.array_equal(fitted.patches[0].reshape(48, 3, 2, 196)[:, :, 0], first[:, :, 0])
    assert fit_video(frames, settings, SIZES, "resize").how == "resized"


def test_seconds_per_grid(frames, settings, tmp_path):
    assert fit_video(frames, settings, SIZES, source_fps=4).seconds_per_grid == 0.5
    assert fit_video(frames, settings, SIZES).seconds_per_grid == pytest.approx(2 / 24)
    path = tmp_path / "clip.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=250)
    assert fit_video(path, settings, SIZES).seconds_per_grid == 0.5
    assert fit_video(path, settings, SIZES, source_fps=1).seconds_per_grid == 2
    sampled = fit_video(path, settings, SIZES, num_frames=2)
    assert sampled.seconds_per_grid == pytest.approx(2 / (2 / 5 * 4))
    assert sampled.grid[0] == 1


def test_sampling_takes_the_right_frames(draw, settings):
    frames = [draw(84, 112, seed) for seed in range(12)]
    sampled = fit_video(frames, settings, SIZES, fps=2, source_fps=6)
    assert np.array_equal(sampled.patches, fit_video(frames[::3], settings, SIZES).patches)
    assert sampled.seconds_per_grid == 1
    large = fit_video([draw(100, 300)] * 8, settings, SIZES, num_frames=4)
    assert large.message.startswith("The video (4 of 8 frames) is 300×100")


def test_frames_of_different_sizes(draw, settings):
    with pytest.raises(ImageError, match="The video has frame 2 of 112×85 after a first of 112×84; give"):
        fit_video([draw(84, 112), draw(85, 112)], settings, SIZES)


@pytest.mark.parametrize("source", [[], (), np.zeros((0, 4, 4, 3), np.uint8)])
def test_no_frames(source, settings):
    with pytest.raises(ImageError, match="no frames"):
        fit_video(source, settings, SIZES)


def test_too_many_frames(draw, settings):
    with pytest.raises(ImageError, match="4 frames are more than 3"):
        fit_video([draw(84, 112)] * 4, settings, SIZES, max_frames=3)
