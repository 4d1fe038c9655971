"""Settings are read in every spelling that checkpoints have, and refused where no image could be prepared."""

import json

import pytest

from tyllm.runtime.images import ImageSettings
from tyllm_base.errors import CheckpointError

MEAN, STD = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]


def write(folder, name="preprocessor_config.json", **config):
    (folder / name).write_text(json.dumps(config))
    return folder


def test_the_defaults_are_those_of_transformers():
    hf = pytest.importorskip("transformers.models.qwen2_vl.image_processing_pil_qwen2_vl").Qwen2VLImageProcessorPil
    ours = ImageSettings()
    for name in ("patch_size", "temporal_patch_size", "merge_size", "resample"):
        assert getattr(ours, name) == getattr(hf, name)
    assert [list(ours.image_mean), list(ours.image_std)] == [list(hf.image_mean), list(hf.image_std)]
    assert (ours.factor, ours.patch_values) == (28, 1176)


@pytest.mark.parametrize(
    "limits",
    [
        {"min_pixels": 784, "max_pixels": 7840},
        {"size": {"shortest_edge": 784, "longest_edge": 7840}},
        {"size": {"min_pixels": 784, "max_pixels": 7840}},
        {"min_pixels": 784, "size": {"shortest_edge": 1, "longest_edge": 7840}},
        {"min_pixels": None, "max_pixels": 7840, "size": {"shortest_edge": 784, "longest_edge": 9}},
    ],
)
def test_limits_in_every_spelling(tmp_path, limits):
    settings = ImageSettings.read(write(tmp_path, **limits))
    assert (settings.min_pixels, settings.max_pixels) == (784, 7840)


def test_all_values_are_read(tmp_path):
    settings = ImageSettings.read(
        write(tmp_path, patch_size=16, temporal_patch_size=4, merge_size=3, image_mean=MEAN, image_std=STD, resample=2)
    )
    assert settings == ImageSettings(16, 4, 3, image_mean=tuple(MEAN), image_std=tuple(STD), resample=2)
    assert settings.factor == 48


def test_the_composite_file_goes_first_if_it_has_images(tmp_path):
    write(tmp_path, patch_size=7)
    write(tmp_path, "processor_config.json", processor_class="Qwen2_5_VLProcessor")
    assert ImageSettings.read(tmp_path).patch_size == 7
    write(tmp_path, "processor_config.json", image_processor={"patch_size": 21})
    assert ImageSettings.read(str(tmp_path)).patch_size == 21


def test_a_saved_processor_is_read_back(tmp_path):
    module = pytest.importorskip("transformers.models.qwen2_vl.image_processing_pil_qwen2_vl")
    size = {"shortest_edge": 784, "longest_edge": 78400}
    module.Qwen2VLImageProcessorPil(size=size, image_mean=MEAN, patch_size=16).save_pretrained(tmp_path)
    settings = ImageSettings.read(tmp_path)
    assert (settings.min_pixels, settings.max_pixels) == (784, 78400)
    assert (settings.patch_size, settings.image_mean) == (16, tuple(MEAN))


def test_steps_that_are_switched_off_do_nothing():
    settings = ImageSettings.of({"do_rescale": False, "do_normalize": False, "image_mean": MEAN})
    assert (settings.rescale_factor, settings.image_mean, settings.image_std) == (1.0, (0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize(
    "config",
    [{"patch_size": 0}, {"merge_size": 1.5}, {"temporal_patch_size": True}, {"min_pixels": 100, "max_pixels": 99},
     {"image_mean": [0, 0]}, {"image_std": [1, 1, 0]}, {"image_std": [1, 1, "x"]}, {"image_mean": "gray"},
     {"resample": 9}, {"rescale_factor": 0}, {"rescale_factor": True}, {"max_pixels": "many"},
     {"image_mean": [0, 0, float("nan")]}],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(tmp_path, config):
    with pytest.raises(CheckpointError, match=next(iter(config))):
        ImageSettings.read(write(tmp_path, **config))


@pytest.mark.parametrize("text", ["{", "[1]", "\ufeff"])
def test_damaged_files(tmp_path, text):
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json"):
        ImageSettings.read(tmp_path)


def test_no_file_says_which_to_copy(tmp_path):
    with pytest.raises(CheckpointError, match=r"has no preprocessor_config\.json"):
        ImageSettings.read(tmp_path)
