"""Everything that decides what a quantized checkpoint will hold, and its fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import torch

from awq.method.bfloat16_products import has_tiles
from awq.quant_config import QuantConfig
from hf_checkpoint.checkpoint import Checkpoint
from tyllm_base.errors import SettingError

if TYPE_CHECKING:
    from awq.calibration.image_samples import ImageSamples

REVISION = 3  # of the algorithm: counted up when the same recipe begins to give other bytes


METHODS = ("tyllm", "awq", "rtn")
PARTS = ("scale", "range", "rounding", "propagation")


@dataclass(frozen=True)
class Recipe:
    """The settings of a quantization.

    Attributes:
        config: the format.
        method: "tyllm" by Hessians, "awq" by AutoAWQ's algorithm, "rtn" by rounding to nearest, without a search.
        samples: calibration tokens int64 [n, T]; empty for "rtn".
        duo_scaling: let weights have a say in the scales beside activations.
        parts: what of the method is used: "scale" and "range" searches; for "tyllm" also "rounding" (GPTQ and its
            refinement, otherwise to nearest) and "propagation" (making good the errors of earlier layers).
        search_tokens: at most so many calibration tokens are replayed for each scale tried by "awq".
        batch: samples that go through a layer at a time.
        bits_per_weight: budget that keeps the most sensitive linear layers in higher precision, see
            awq.run.mixed_precision; None keeps none.
        images: those among the samples; None for text alone.
    """

    config: QuantConfig
    method: str
    samples: torch.Tensor
    duo_scaling: bool = True
    parts: frozenset[str] = frozenset(PARTS)
    search_tokens: int = 512
    batch: int = 8
    bits_per_weight: float | None = None
    images: ImageSamples | None = None

    @property
    def streams(self) -> int:
        """Streams of hidden states that go through the layers: the original's, and with propagation the stored one."""
        return 2 if self.method == "tyllm" and "propagation" in self.parts else 1

    @property
    def search_step(self) -> int:
        """Every so-manieth sample is replayed in the scale search."""
        count, length = self.samples.shape
        return max(1, -(-int(count) * int(length) // self.search_tokens))

    def fingerprint(self, checkpoint: Checkpoint) -> str:
        """A digest of the recipe and the checkpoint: runs with the same one write the same bytes."""
        settings = {field.name: getattr(self, field.name) for field in fields(self)}
        settings |= {"config": asdict(self.config), "samples": list(self.samples.shape), "torch": torch.__version__}
        settings |= {"tiles": has_tiles(), "threads": torch.get_num_threads()}
        settings["parts"] = sorted(self.parts)
        settings["images"] = None if self.images is None else self.images.digest
        tensors = [(name, t.dtype, t.shape, t.file.name, t.offset) for name, t in checkpoint.tensors.items()]
        shards = sorted({info.file for info in checkpoint.tensors.values()})
        files = [(shard.stat().st_size, shard.stat().st_mtime_ns) for shard in shards]
        digest = hashlib.sha256(self.samples.numpy().tobytes())
        digest.update(json.dumps([REVISION, settings, checkpoint.config, tensors, files]).encode())
        return digest.hexdigest()


def chosen_parts(method: str, without: Collection[str]) -> frozenset[str]:
    """The parts of `method` that are used; raises `SettingError` for an unknown method or part."""
    if method not in METHODS:
        raise SettingError(f"method is {method!r}; use {', '.join(map(repr, METHODS))}.")
    for part in without:
        if part not in PARTS:
            raise SettingError(
                f"without has {part!r}, which is no part of a method; use {', '.join(map(repr, PARTS))}."
            )
    return frozenset(PARTS) - frozenset(without)


class Budget(NamedTuple):
    """How much calibration: samples, tokens per sample, tokens replayed for each scale, tokens in a layer at a time.

    `batch_values` bounds tokens × inputs of the widest linear layer at a time, of which several lie in memory.
    """

    samples: int
    length: int
    search_tokens: int
    batch_tokens: int
    batch_values: int

    def batch(self, length: int, widest: int) -> int:
        """The number of samples of `length` tokens that go at a time through a layer of so many inputs at most."""
        return max(1, min(self.batch_tokens, self.batch_values // widest) // max(1, length))


ON_CPU = Budget(16, 512, 512, 2048, 1 << 24)  # minutes, not hours, for a 1.8B model on two cores
ON_GPU = Budget(128, 512, 128 * 512, 8192, 1 << 28)  # as much as AutoAWQ


def calibration_budget(
    device: torch.device, samples: int | None, length: int | None, search_tokens: int | None, context: int | None
) -> Budget:
    """The device's default budget with what the user chose in its place, for a model of `context` positions.

    Raises:
        SettingError: the user chose samples that are longer than the model knows.
    """
    default = ON_CPU if device.type == "cpu" else ON_GPU
    if length and context and length > context:
        raise SettingError(
            f"max_calib_seq_len is {length:,}, and the model has {context:,} positions; give {context} or less "
            "(--max-length)."
        )
    longest = min(default.length, context or default.length)
    chosen = (samples or default.samples, length or longest, search_tokens or default.search_tokens)
    return Budget(*chosen, default.batch_tokens, default.batch_values)


def check_counts(**counts: int | None) -> None:
    """Raise `SettingError` for a count (argument=value) that is no whole number; 0 and None mean the default."""
    for name, value in counts.items():
        if value is not None and (not isinstance(value, int) or value < 0):
            raise SettingError(f"{name} is {value!r}; give a whole number of at least 1.")
