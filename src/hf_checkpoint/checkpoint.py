"""The one reader of Hugging Face checkpoint folders: checks everything that can be checked without reading a weight.

It imports neither torch nor transformers, so the compiler uses it too.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_checkpoint import mxfp4
from hf_checkpoint.config_limits import check_config
from hf_checkpoint.expert_stack import ExpertRows, ExpertStack
from hf_checkpoint.safetensors_file import Array, TensorInfo, read_header
from tyllm_base.errors import CheckpointError, UntrustedCodeError
from tyllm_base.json_reader import read_json
from tyllm_base.regular_file import KINDS
from tyllm_base.user_path import user_path

if TYPE_CHECKING:
    import torch

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
MAX_NAME = 80  # characters of a shard's name; file systems take 255 bytes
NUMBERED = "model-*-of-*.safetensors"  # other safetensors files may lie beside them, such as Mistral's consolidated one


@dataclass(frozen=True)
class Checkpoint:
    """An open checkpoint: `config` as in config.json, and where each tensor lies. Weights are read one at a time.

    `stacks` are the model's parameters that stand for many tensors (`weight_names.under_model_names`), `rows` the
    weights that are rows of such a stack where the model has its linear layers apart.
    """

    path: Path
    config: dict[str, Any]
    tensors: dict[str, TensorInfo]
    stacks: Mapping[str, ExpertStack] = field(default_factory=dict)
    rows: Mapping[str, ExpertRows] = field(default_factory=dict)

    @classmethod
    def open(cls, path: str | Path, trust_remote_code: bool = False) -> Checkpoint:
        """Open the folder `path` and check it: JSON files, shards, headers, sizes, names; no weight is read.

        Args:
            path: the folder with config.json and the safetensors files.
            trust_remote_code: accept a config that names Python code of its own (it is not run here).

        Raises:
            CheckpointError: anything is missing, damaged or contradictory.
            UntrustedCodeError: the config has an `auto_map` and `trust_remote_code` is False.
        """
        folder = user_path(path, CheckpointError)
        if not folder.is_dir():
            raise CheckpointError(f"{folder} is not a folder; give the folder that holds config.json.")
        config = read_config(folder, trust_remote_code)
        tensors = _read_tensors(folder)
        check_config(folder / "config.json", config, len(tensors))
        _refuse_special_files(folder)
        return cls(folder, config, tensors)

    def __contains__(self, name: object) -> bool:
        return name in self.tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def info(self, name: str) -> TensorInfo:
        """Type, shape and place of a tensor; raises `CheckpointError` if there is none of that name."""
        try:
            return self.tensors[name]
        except KeyError:
            raise CheckpointError(
                f"{self.path} has no tensor {name}, which its config.json calls for; download the checkpoint again."
            ) from None

    def read_numpy(self, name: str) -> Array:
        """The tensor as a memory-mapped NumPy array of its own shape and type (bfloat16 by ml_dtypes).

        A slice reads only its own rows; writing to the array never changes the file.
        """
        return self.info(name).read()

    def read_torch(self, name: str) -> torch.Tensor:
        """The tensor as a memory-mapped torch tensor of its own shape and type."""
        import torch

        array = self.read_numpy(name)
        if self.info(name).dtype != "BF16":
            return torch.from_numpy(array)
        return torch.from_numpy(array.view("int16")).view(torch.bfloat16)

    @property
    def quantization(self) -> dict[str, Any] | None:
        """The `quantization_config` of config.json, None for a float checkpoint; MXFP4 is read as a kind of floats."""
        found = self.config.get("quantization_config")
        return found if isinstance(found, dict) and found.get("quant_method") != mxfp4.METHOD else None


def read_config(folder: Path, trust_remote_code: bool = False) -> dict[str, Any]:
    """config.json as a dictionary; raises `CheckpointError`, and `UntrustedCodeError` if it names code of its own."""
    path = folder / "config.json"
    if not path.exists() and not path.is_symlink():
        raise CheckpointError(f"{path} is missing; give the folder of a complete Hugging Face checkpoint.")
    config = read_json(path, CheckpointError, "download it again", constants=True)
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or not model_type.isprintable():
        raise CheckpointError(f"{folder / 'config.json'} names no model_type; add it or download the checkpoint again.")
    if config.get("auto_map") and not trust_remote_code:
        raise UntrustedCodeError(
            f"{folder / 'config.json'} asks to run Python code of its own (auto_map); "
            "read that code and pass trust_remote_code=True if you trust it."
        )
    return config


def _read_tensors(folder: Path) -> dict[str, TensorInfo]:
    """All tensors, from the single file or from the index and its shards."""
    numbered = {path.name for path in folder.glob(NUMBERED)}
    if (folder / SINGLE).is_file():
        _refuse_extra(folder, numbered, SINGLE)
        return read_header(folder / SINGLE)
    if (folder / INDEX).is_file():
        index = _read_index(folder)
        _refuse_extra(folder, numbered - set(index.values()), INDEX)
        return _read_shards(folder, index)
    if numbered:
        raise CheckpointError(f"{folder} has safetensors shards but no {INDEX}; download the index too.")
    if (folder / "manifest.json").is_file() and (folder / "buffer_config.json").is_file():
        raise CheckpointError(f"{folder} is a compiled package; give the checkpoint that it was compiled from.")
    raise CheckpointError(
        f"{folder} has neither {SINGLE} nor {INDEX}; convert other weight files to safetensors first."
    )


def _refuse_special_files(folder: Path) -> None:
    """Pipes and devices, which the libraries that read the rest of the folder would wait for, or read for ever."""
    for path in sorted(folder.iterdir()):
        try:
            mode = path.stat().st_mode
        except OSError:  # a link to nowhere: no file to those libraries, and refused by our readers
            continue
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            kind = KINDS.get(stat.S_IFMT(mode), "no regular file")
            raise CheckpointError(f"{path} is {kind} and not a file; remove it, or download the checkpoint again.")


def _refuse_extra(folder: Path, extra: set[str], named_by: str) -> None:
    """A shard that nothing names is a sign of two downloads mixed in one folder."""
    if extra:
        raise CheckpointError(
            f"{folder} has the extra shard {min(extra)}, which {named_by} does not name; "
            "remove it or download the checkpoint again."
        )


def _read_index(folder: Path) -> dict[str, str]:
    """Tensor name to shard name, every shard a plain file name inside the folder."""
    weight_map = read_json(folder / INDEX, CheckpointError, "download it again").get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{folder / INDEX} has no weight_map; download it again.")
    for name, shard in weight_map.items():
        if not _is_file_name(shard):
            raise CheckpointError(
                f"{folder / INDEX} puts {name!r:.80} into {shard!r:.80}, "
                "which is no file of this folder; download the index again."
            )
    return weight_map


def _is_file_name(shard: object) -> bool:
    """Whether it is the name of a file of the folder itself."""
    if not isinstance(shard, str) or not shard.isprintable() or len(shard) > MAX_NAME:
        return False
    return shard not in ("", ".", "..") and "/" not in shard and "\\" not in shard


def _read_shards(folder: Path, index: dict[str, str]) -> dict[str, TensorInfo]:
    """The tensors of all shards, each in exactly the shard that the index says."""
    tensors: dict[str, TensorInfo] = {}
    for shard in sorted(set(index.values())):
        if not (folder / shard).is_file():
            raise CheckpointError(f"{folder} lacks the shard {shard}, which {INDEX} names; download it.")
        for name, info in read_header(folder / shard).items():
            if index.get(name) != shard:
                raise CheckpointError(
                    f"{shard} in {folder} holds {name}, which {INDEX} puts into "
                    f"{index.get(name, 'no shard')}; download the checkpoint again."
                )
            tensors[name] = info
    for name, shard in index.items():
        if name not in tensors:
            raise CheckpointError(f"{shard} in {folder} lacks {name}, which {INDEX} puts there; download it again.")
    return tensors
