"""Images with something in them, for tests that compare pixels."""

import numpy as np
from PIL import Image


def drawn_image(height: int, width: int, seed: int = 0) -> Image.Image:
    """An RGB image of coarse colored noise over a gradient, no two rows alike."""
    random = np.random.default_rng([seed, height, width])
    coarse = Image.fromarray(random.integers(0, 256, (7, 9, 3), dtype=np.uint8)).resize((width, height))
    fine = random.integers(-20, 21, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(coarse) + fine, 0, 255).astype(np.uint8))
