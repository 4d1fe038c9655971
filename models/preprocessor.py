"""Constants by which Qwen2-VL and Qwen2.5-VL cut images into patches, and their preprocessor_config.json."""

from typing import Any

PATCH = 14  # pixels a side
MERGE = 2  # patches a side of an image token
FRAMES = 2  # of a video in a patch; an image is seen twice
MEAN = (0.48145466, 0.4578275, 0.40821073)  # of the images that CLIP was trained on
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
PROCESSORS = {"qwen2_vl": "Qwen2VLProcessor", "qwen2_5_vl": "Qwen2_5_VLProcessor"}
SMALLEST, LARGEST = 56 * 56, 28 * 28 * 16384  # pixels, of the published models


def preprocessor_config(model_type: str, smallest: int = SMALLEST, largest: int = LARGEST) -> dict[str, Any]:
    """preprocessor_config.json of such a model, for images of `smallest` to `largest` pixels."""
    return {
        "min_pixels": smallest,
        "max_pixels": largest,
        "patch_size": PATCH,
        "temporal_patch_size": FRAMES,
        "merge_size": MERGE,
        "image_mean": list(MEAN),
        "image_std": list(DEVIATION),
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": PROCESSORS[model_type],
    }
