"""Whether a model can be compiled, from its config alone: no weight is looked for."""

from __future__ import annotations

from pathlib import Path

from hf_checkpoint.checkpoint import Checkpoint, read_config
from hf_checkpoint.config_limits import check_config
from hf_checkpoint.vision_tower import find_tower
from tyllm.llm.die_model import build_model
from tyllm.llm.step_guard import check_step


def check_support(folder: Path, trust_remote_code: bool) -> str:
    """The class of the model that config.json in `folder` describes.

    Raises:
        CheckpointError: there is no config.json, or it is damaged.
        UnsupportedError: the model cannot be compiled.
    """
    config = read_config(folder, trust_remote_code)
    check_config(folder / "config.json", config, tensors=0)
    model = build_model(Checkpoint(folder, config, {}), trust_remote_code)
    check_step(model, takes_embeddings=find_tower(model) is not None)
    return type(model).__name__
