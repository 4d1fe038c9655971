"""Models on the meta device and weights in memory, in place of a checkpoint on disk."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.tiny_checkpoint import CONFIG, copy_tiny, write_tiny

DTYPES = {"float16": "F16", "float32": "F32", "int32": "I32", "int64": "I64", "bfloat16": "BF16"}


class Memory(dict):
    """Arrays by name, read as an `awq.checkpoint.Checkpoint` is."""

    path = "checkpoint"
    quantization = None

    def info(self, name):
        return SimpleNamespace(shape=self[name].shape, dtype=DTYPES[str(self[name].dtype)])

    def read(self, name):
        return self[name]


@pytest.fixture
def memory():
    return Memory


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A checkpoint that nobody changes."""
    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture
def own_tiny(tiny, tmp_path):
    """A copy for a test that breaks it."""
    return copy_tiny(tiny, tmp_path / "tiny")


@pytest.fixture(scope="session")
def meta_model():
    """`meta_model(**changes)`: Qwen2 on the meta device with a config that differs from the tiny one."""

    def build(**changes):
        from transformers import AutoConfig, AutoModelForCausalLM

        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(AutoConfig.for_model(**CONFIG | changes))

    return build


@pytest.fixture
def floats_of():
    """`floats_of(model)`: random float16 tensors for every parameter, tied ones once."""

    def arrays(model, seed=0):
        rng = np.random.default_rng(seed)
        return Memory({n: rng.normal(0, 0.1, tuple(p.shape)).astype(np.float16) for n, p in model.named_parameters()})

    return arrays
