"""Images and videos to the vision tower's patches, as Hugging Face makes them; Pillow is imported at first use."""

from hf_messages.image_file import load_image
from tyllm.runtime.images.fit import Fitted, fit_image
from tyllm.runtime.images.preprocessor_config import ImageSettings
from tyllm.runtime.images.video import fit_video

__all__ = ["Fitted", "ImageSettings", "fit_image", "fit_video", "load_image"]
