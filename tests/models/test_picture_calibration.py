"""Calibration conversations are read by the quantiser, pictures and all."""

import json

from picture_calibration import write
from PIL import Image

from awq.messages import is_message, located, pictures_in


def test_conversations_are_messages_with_their_pictures(tmp_path):
    lines = write(tmp_path / "new" / "folder", 3, 0).read_text(encoding="utf-8").splitlines()
    for line in lines:
        messages = json.loads(line)["messages"]
        assert all(map(is_message, messages))
        assert [message["role"] for message in messages] == ["user", "assistant"] * 6
        (picture,) = pictures_in(located(messages, tmp_path / "new" / "folder"))
        assert Image.open(picture).mode == "RGB"
    assert len(set(lines)) == 3
