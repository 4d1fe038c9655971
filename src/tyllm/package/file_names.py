"""The names of the files in a package."""

from __future__ import annotations

from pathlib import Path

from tyllm.package.step_shape import StepShape

MANIFEST = "manifest.json"
SIGNATURE = "model.sig"
"""The author's signature of all other files, by the name that OpenSSF model signing gives it; no hash covers it."""
SIGNATURE_UNDER_WAY = "model.sig.tmp"
"""A signature while it is written: a killed `tyllm sign` may leave it, and nothing reads it."""
BUFFER_CONFIG = "buffer_config.json"
CONFIG = "config.json"
GENERATION_CONFIG = "generation_config.json"
PROGRAM = "program.json"
EMPTY = "empty.bin"
EMBEDDING = "embedding.params"
ROPE_TABLE = "rope_param.params"
ROPE_CODE = "compute_rope_param.so"
ROPE_PARAMS = "compute_rope_param.params"
ROPE_PROGRAM = "compute_rope_param"
VISUAL = "visual"
VISUAL_CODE = "vit_die{die}.so"
VISUAL_PARAMS = "constant_die{die}.params"
PREPROCESSOR = "preprocessor_config.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
CHAT_TEMPLATE = "chat_template.jinja"


def params_file(die: int) -> Path:
    """The weights of a die that all programs share."""
    return Path("batch_1") / f"common_die{die}.params"


def constants_file(die: int, shape: StepShape) -> Path:
    """The tensors of a die that the program of one shape needs for itself."""
    return shape.folder / f"llm_die{die}.params"


def code_file(die: int, shape: StepShape) -> Path:
    """The compiled program of a die for one shape, with the runtime's C library in it."""
    return shape.folder / f"llm_die{die}.so"
