"""Images with something in them."""

from collections.abc import Callable

import pytest
from PIL import Image
from tests.drawn_image import drawn_image


@pytest.fixture(scope="session")
def draw() -> Callable[..., Image.Image]:
    """`draw(height, width, seed=0)`: see `drawn_image`."""
    return drawn_image
