"""Calibration conversations are read by the quantizer, images and all."""

import json

from image_calibration import write
from PIL import Image

from awq.calibration.conversations import images_in, is_message, located


def test_conversations_are_messages_with_their_images(tmp_path):
    lines = write(tmp_path / "new" / "folder", 3, 0).read_text(encoding="utf-8").splitlines()
    for line in lines:
        messages = json.loads(line)["messages"]
        assert all(map(is_message, messages))
        assert [message["role"] for message in messages] == ["user", "assistant"] * 6
        (image,) = images_in(located(messages, tmp_path / "new" / "folder"))
        assert Image.open(image).mode == "RGB"
    assert len(set(lines)) == 3
