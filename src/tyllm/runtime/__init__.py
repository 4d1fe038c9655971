"""Open a package and run it: numpy, tokenizers and jinja2, and Pillow once there is an image; no torch, no TVM."""

from tyllm.runtime.session import Session

__all__ = ["Session"]
