"""Pictures and videos to the vision tower's patches, as Hugging Face makes them; Pillow is imported at first use."""

from tyllm.runtime.pictures.fit import Fitted, fit_picture
from tyllm.runtime.pictures.load import load_picture
from tyllm.runtime.pictures.settings import PictureSettings
from tyllm.runtime.pictures.video import fit_video

__all__ = ["Fitted", "PictureSettings", "fit_picture", "fit_video", "load_picture"]
