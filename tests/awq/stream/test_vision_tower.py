"""The vision tower is found, and taken apart without leaving anything out."""

import pytest
import torch
from tests.awq.tiny_vision_models import FAMILIES, write_vision_checkpoint

from awq.stream.meta_model import MetaModel
from hf_checkpoint.checkpoint import Checkpoint


@pytest.mark.parametrize("family", FAMILIES)
def test_units_are_the_whole_tower(tmp_path, family):
    folder = write_vision_checkpoint(tmp_path, family)
    model = MetaModel.build(Checkpoint.open(folder), torch.device("cpu"))
    assert (model.tower.name, model.tower.side) == ("model.visual", 28)
    units = [f"{name}.{inner}" for name, unit in model.tower.units() for inner in unit.state_dict()]
    assert units == [name for name in model.module.state_dict() if name.startswith("model.visual.")]
    assert model.surroundings() == ["model.language_model.embed_tokens.weight", "model.language_model.norm.weight"]
    assert model.prefixes == [f"model.language_model.layers.{index}." for index in range(2)]


def test_a_model_of_text_has_none(checkpoint):
    assert MetaModel.build(Checkpoint.open(checkpoint("llama")), torch.device("cpu")).tower is None
