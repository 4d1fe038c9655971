"""Patches are Hugging Face's to the bit, and its video processor's."""

import numpy as np
import pytest
from PIL import Image

from hf_messages.image_file import load_image
from tyllm.runtime.images.patches import image_patches, normalization_table, patchify
from tyllm.runtime.images.preprocessor_config import ImageSettings

ODD_SIZES = [
    (2, 1), (1, 2), (1, 200), (200, 1), (13, 17), (27, 29), (28, 28), (41, 43), (56, 57), (99, 101), (100, 333),
    (127, 255), (224, 224), (239, 641), (301, 1199), (333, 100), (481, 479), (540, 960), (601, 1001), (719, 1283),
    (1081, 1919), (1501, 37), (2003, 1009), (3, 599),
]  # fmt: skip


@pytest.mark.parametrize(("height", "width"), ODD_SIZES)
def test_odd_sizes_are_hugging_faces(draw, hugging_face, settings, height, width):
    image = draw(height, width)
    ours, grid = image_patches(image, settings)
    theirs, their_grid = hugging_face(image)
    assert grid == their_grid
    assert ours.dtype == np.float32
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "1", "P", "CMYK", "YCbCr"])
def test_modes_are_hugging_faces(draw, hugging_face, settings, mode):
    image = draw(101, 67).convert(mode)
    ours, grid = image_patches(load_image(image), settings)
    theirs, their_grid = hugging_face(image)
    assert grid == their_grid
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    "config",
    [
        {"patch_size": 16, "merge_size": 2, "temporal_patch_size": 2},
        {"patch_size": 8, "merge_size": 3, "temporal_patch_size": 4},
        {"patch_size": 14, "merge_size": 1, "temporal_patch_size": 1},
        {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.6, 0.7], "resample": 2},
        {"rescale_factor": 1 / 127.5, "min_pixels": 40000, "max_pixels": 60000},
        {"do_normalize": False},
        {"do_rescale": False},
    ],
)
def test_settings_are_hugging_faces(draw, hugging_face, config):
    image = draw(123, 211)
    ours, grid = image_patches(image, ImageSettings.of(config))
    theirs, their_grid = hugging_face(image, **config)
    assert grid == their_grid
    assert np.array_equal(ours, theirs)


def test_a_small_frame_is_padded_with_zeros(draw, settings):
    frame = np.asarray(draw(40, 30))
    padded = patchify([frame, frame], (56, 84), settings)
    full = np.asarray(draw(56, 84)).copy()
    full[:40, :30] = frame
    unpadded = patchify([full, full], (56, 84), settings)
    reached = patchify([np.pad(np.ones_like(frame), ((0, 16), (0, 54), (0, 0)))] * 2, (56, 84), settings)
    inside = np.isin(reached, normalization_table(settings)[:, 1])
    assert inside.sum() == 2 * 40 * 30 * 3
    assert (padded[~inside] == 0).all()
    assert np.array_equal(padded[inside], unpadded[inside])


def test_several_frames_are_hugging_faces(draw, settings, video_method):
    torch = pytest.importorskip("torch")
    frames = [np.asarray(draw(84, 112, seed)) for seed in range(2)]
    normalized = np.stack([normalization_table(settings)[np.arange(3), frame].transpose(2, 0, 1) for frame in frames])
    theirs, *grid = video_method("patchify")(None, torch.tensor(normalized)[None], 14, 2, 2)
    assert grid == [1, 6, 8]
    assert np.array_equal(patchify(frames, (84, 112), settings), theirs[0].numpy())


def test_the_table_is_of_each_color(settings):
    values = normalization_table(settings)
    assert values.shape == (3, 256)
    assert np.allclose(values[:, 255], (1 - np.array(settings.image_mean)) / settings.image_std)
    assert np.allclose(values[:, 0], -np.array(settings.image_mean) / settings.image_std)
    black = Image.new("RGB", (28, 28))
    ours, _ = image_patches(black, ImageSettings(min_pixels=1))
    assert np.array_equal(np.unique(ours), np.unique(values[:, 0]))
