"""Toy packages, and models on the meta device with weights in memory in place of a checkpoint on disk."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # tests import the toy package's writer by its bare name

from fake_package import HERE, Fake, build
from tests.tiny_checkpoint import CONFIG, copy_tiny, write_tiny


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch) -> None:
    """Hashes that tests remember stay out of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def toy_library(tmp_path_factory) -> Path:
    """The toy program, compiled once."""
    return build(HERE / "fake_program.c", tmp_path_factory.mktemp("toy") / "toy.so")


@pytest.fixture(scope="session")
def toy(toy_library, tmp_path_factory) -> Callable[..., Path]:
    """`toy(dies=2, …)`: a package that nobody changes, written once for each setting."""
    written: dict[Fake, Path] = {}

    def package(**settings) -> Path:
        fake = Fake(toy_library, **settings)
        if fake not in written:
            written[fake] = fake.write(tmp_path_factory.mktemp("toy") / "package")
        return written[fake]

    return package


@pytest.fixture
def own_toy(toy_library, tmp_path) -> Path:
    """A package of two dies for a test that breaks it."""
    return Fake(toy_library, dies=2).write(tmp_path / "package")


@pytest.fixture
def descriptors():
    """`descriptors()`: the numbers of this process's open descriptors."""

    def numbers() -> set[int]:
        found = list(Path("/proc/self/fd").iterdir())
        return {int(path.name) for path in found if path.is_symlink()}  # not that of the listing itself

    return numbers


DTYPES = {"float16": "F16", "float32": "F32", "int32": "I32", "int64": "I64", "bfloat16": "BF16"}


class Memory(dict):
    """Arrays by name, read as an `hf_checkpoint.checkpoint.Checkpoint` is."""

    path = "checkpoint"
    quantization = None
    stacks = rows = MappingProxyType({})

    def info(self, name):
        return SimpleNamespace(shape=self[name].shape, dtype=DTYPES[str(self[name].dtype)])

    def read_numpy(self, name):
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
