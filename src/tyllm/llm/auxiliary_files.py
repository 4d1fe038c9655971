"""Files that a package takes from its checkpoint: config, tokenizer, chat template, the embedding if it is an input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hf_checkpoint.auxiliary_files import copy_auxiliary_files, copy_file
from hf_checkpoint.finite_check import as_float16
from tyllm.build.weight_reader import ROWS, WeightReader
from tyllm.llm.compile_settings import LlmCompileSettings
from tyllm.package import ParamsWriter
from tyllm.package.file_names import CONFIG, EMBEDDING
from tyllm.package.hf_config import HfConfig, HfGenerationConfig, HfPreprocessor
from tyllm.package.json_file import CURE
from tyllm_base.errors import CheckpointError, PackageError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def copy_config_and_tokenizer(source: Path, folder: Path) -> None:
    """Copy config.json, the generation config, the chat template and the tokenizer files that the checkpoint has."""
    copy_file(source / CONFIG, folder / CONFIG)
    copy_auxiliary_files(source, folder)


def check_auxiliary_files(source: Path) -> None:
    """Read the JSON files that come along as the runtime will; raises `CheckpointError` where that would refuse one."""
    try:
        for kind in (HfConfig, HfGenerationConfig, HfPreprocessor):
            kind.read(source)
    except PackageError as error:
        wrong = str(error).removesuffix(f"; {CURE}.")
        raise CheckpointError(f"{wrong}; correct it, or download the model again.") from error


def write_embedding(folder: Path, model: PreTrainedModel, reader: WeightReader, settings: LlmCompileSettings) -> None:
    """embedding.params: the table that the runtime looks tokens up in, where embeddings are the program's input.

    Raises:
        CheckpointError: a value is beyond float16.
    """
    if not settings.embedding_as_input:
        return
    module = model.get_input_embeddings()
    name = next(name for name, p in model.named_parameters(remove_duplicate=False) if p is module.weight)
    scale = float(getattr(module, "embed_scale", 1.0))  # Gemma scales inside its embedding
    rows, width = module.weight.shape
    with ParamsWriter(folder / EMBEDDING, {"embedding": ("float16", (rows, width))}) as writer:
        for start in range(0, rows, ROWS):
            writer.append_rows(
                "embedding", as_float16(name, reader.floats(name, start, min(start + ROWS, rows)) * scale)
            )
        writer.close()
