"""Small random vision-language models on the meta device, one of each family."""

import pytest
from tests.tiny_vision_language import write_tiny_vision_language

from tyllm.llm.die_model import build_model

FAMILIES = ("qwen2_vl", "qwen2_5_vl")


@pytest.fixture(params=FAMILIES)
def model(request, tmp_path):
    from hf_checkpoint.checkpoint import Checkpoint

    return build_model(Checkpoint.open(write_tiny_vision_language(tmp_path / "model", request.param)), False)
