"""The names of the files in a package."""

from __future__ import annotations

from pathlib import Path

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


def params_file(die: int, batch: int = 1) -> Path:
    """The weights of a die that all sequence lengths share."""
    return Path(f"batch_{batch}") / f"common_die{die}.params"


def constants_file(die: int, seq_len: int, batch: int = 1) -> Path:
    """The tensors of a die that one sequence length needs for itself."""
    return Path(f"batch_{batch}") / f"seqlen_{seq_len}" / f"llm_die{die}.params"


def code_file(die: int, seq_len: int, batch: int = 1) -> Path:
    """The compiled program of a die for one sequence length, with the runtime's C library in it."""
    return Path(f"batch_{batch}") / f"seqlen_{seq_len}" / f"llm_die{die}.so"
