"""The preprocessor's file is the one that Qwen2-VL's processor reads."""

import pytest
from preprocessor import FRAMES, MEAN, MERGE, PATCH, preprocessor_config


@pytest.mark.parametrize("model_type", ["qwen2_vl", "qwen2_5_vl"])
def test_transformers_processor_cuts_as_it_says(model_type):
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    config = preprocessor_config(model_type, 112 * 112, 140 * 140)
    processor = Qwen2VLImageProcessorPil.from_dict(config)
    assert (processor.patch_size, processor.merge_size, processor.temporal_patch_size) == (PATCH, MERGE, FRAMES)
    assert list(processor.image_mean) == list(MEAN)
    assert config["min_pixels"] == 112 * 112 and config["max_pixels"] == 140 * 140
