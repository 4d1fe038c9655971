"""Tiny random checkpoints, made once a session."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.awq.tiny_models import random_model, token_lists

from awq.quant_config import QuantConfig
from awq.recipe import Recipe
from awq.stream.layerwise_pass import layerwise_pass
from awq.stream.meta_model import MetaModel
from awq.tasks.decoder_layer import LayerTask
from hf_checkpoint.checkpoint import Checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`checkpoint(family)` is the folder of a random float16 checkpoint that tests may read but not change."""
    made: dict[str, Path] = {}

    def make(family: str) -> Path:
        if family not in made:
            made[family] = tmp_path_factory.mktemp(family)
            model = random_model(family)
            for parameter in model.parameters():  # not model.half(): that would round the rotary frequencies too
                parameter.data = parameter.data.half()
            model.save_pretrained(made[family])
        return made[family]

    return make


@pytest.fixture
def visited(checkpoint: Callable[..., Path]) -> Iterator[Any]:
    """The first layer of a model with its weights, a task for it, and the arguments of its call."""
    samples = torch.tensor(token_lists(4))
    model = MetaModel.build(Checkpoint.open(checkpoint("llama")), torch.device("cpu"))
    caught = []

    def visit(index, layer, arguments):
        caught.append(arguments)
        return arguments.call(layer)

    with torch.no_grad():
        layerwise_pass(model, samples, visit)
        layer = model.layers[0]
        model.fill(layer, model.prefixes[0])
        recipe = Recipe(QuantConfig(q_group_size=32, modules_to_not_convert=("k_proj",)), "awq", samples)
        yield model, LayerTask(layer, model.prefixes[0], recipe), caught[0]


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products in float32, whatever faster ones the processor has."""
    monkeypatch.setattr("awq.method.bfloat16_products.has_tiles", lambda: False)
