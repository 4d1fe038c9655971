"""The vision tower is found, and taken apart without leaving anything out."""

import pytest
import torch
from tests.awq.tiny_vision_models import FAMILIES, write_vision_checkpoint

from awq.stream.meta_model import Skeleton
from hf_checkpoint.checkpoint import Checkpoint


@pytest.mark.parametrize("family", FAMILIES)
def test_units_are_the_whole_tower(tmp_path, family):
    folder = write_vision_checkpoint(tmp_path, family)
    skeleton = Skeleton.build(Checkpoint.open(folder), torch.device("cpu"))
    assert (skeleton.tower.name, skeleton.tower.side) == ("model.visual", 28)
    units = [f"{name}.{inner}" for name, unit in skeleton.tower.units() for inner in unit.state_dict()]
    assert units == [name for name in skeleton.model.state_dict() if name.startswith("model.visual.")]
    assert skeleton.surroundings() == ["model.language_model.embed_tokens.weight", "model.language_model.norm.weight"]
    assert skeleton.prefixes == [f"model.language_model.layers.{index}." for index in range(2)]


def test_a_model_of_text_has_none(checkpoint):
    assert Skeleton.build(Checkpoint.open(checkpoint("llama")), torch.device("cpu")).tower is None
