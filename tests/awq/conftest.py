"""Tiny random checkpoints, made once a session."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.awq.tiny_models import random_model


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
