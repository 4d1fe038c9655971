"""A tiny checkpoint with a tokenizer, its INT4 variant and its package, made once."""

from pathlib import Path

import pytest
from tests.tiny_checkpoint import quantize_by_rounding, write_tiny

from tyllm.build_util import build_and_compile_llm

CACHE = 64


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A float16 checkpoint."""
    return write_tiny(tmp_path_factory.mktemp("evaluate") / "float16")


@pytest.fixture(scope="session")
def int4(tiny) -> Path:
    """It, rounded to INT4, the head too."""
    return quantize_by_rounding(tiny, tiny.with_name("int4"), lm_head=True)


@pytest.fixture(scope="session")
def package(int4) -> Path:
    """The INT4 checkpoint compiled for two dies, with float activations."""
    output = int4.with_name("package")
    build_and_compile_llm(int4, output, CACHE, [1, 8], 2, activations="float16")
    return output
