"""The numbers of preprocessor_config.json: how a model's images are scaled, normalized and cut."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from tyllm_base.errors import CheckpointError
from tyllm_base.json_reader import parse_json, read_json

PROCESSOR = "processor_config.json"
PREPROCESSOR = "preprocessor_config.json"
MOST = {"patch_size": 1024, "temporal_patch_size": 64, "merge_size": 64, "min_pixels": 1 << 40, "max_pixels": 1 << 40}
"""The largest values with which sizes of images are still numbers that one can compute with."""
LARGEST = 1e30
CURE = "copy it from the model's checkpoint again"
RESAMPLES = range(6)  # Pillow's filters: nearest, Lanczos, bilinear, bicubic, box, Hamming


@dataclass(frozen=True)
class ImageSettings:
    """Sizes of patches, limits of pixels, and the normalization; the defaults are those of transformers' Qwen2-VL.

    A patch is `temporal_patch_size` frames × `patch_size` × `patch_size` pixels; `merge_size`² patches are one token.
    `image_mean` and `image_std` are of red, green and blue after `rescale_factor`; `resample` is Pillow's filter.
    """

    patch_size: int = 14
    temporal_patch_size: int = 2
    merge_size: int = 2
    min_pixels: int = 56 * 56
    max_pixels: int = 28 * 28 * 1280
    image_mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    image_std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)
    rescale_factor: float = 1 / 255
    resample: int = 3

    @property
    def factor(self) -> int:
        """The side of a token in pixels: an image's sides are multiples of it."""
        return self.patch_size * self.merge_size

    @property
    def patch_values(self) -> int:
        """Float32 values of one patch: 3 colors × frames × rows × columns."""
        return 3 * self.temporal_patch_size * self.patch_size**2

    @classmethod
    def read(cls, folder: str | Traversable) -> ImageSettings:
        """The settings in a checkpoint's or package's folder.

        As transformers does, `image_processor` of processor_config.json is taken before preprocessor_config.json.

        Raises:
            CheckpointError: neither file is there, or a value cannot be.
        """
        folder = Path(folder) if isinstance(folder, str) else folder
        composite = folder / PROCESSOR
        if composite.is_file() and isinstance(nested := _json(composite).get("image_processor"), dict):
            return cls.of(nested, composite)
        if not (folder / PREPROCESSOR).is_file():
            raise CheckpointError(
                f"{folder} has no {PREPROCESSOR}, so it says not how images are prepared; copy that file from the "
                "model's original checkpoint."
            )
        return cls.of(_json(folder / PREPROCESSOR), folder / PREPROCESSOR)

    @classmethod
    def of(cls, config: dict[str, Any], file: Traversable = Path(PREPROCESSOR)) -> ImageSettings:
        """The settings in the parsed `config`; what it leaves out, or says is null, is the default.

        Limits of pixels are read in all spellings: `min_pixels`, and `shortest_edge` or `min_pixels` within `size`.
        """
        given = {name: config[name] for name in cls.__dataclass_fields__ if config.get(name) is not None}
        size = config.get("size")
        if isinstance(size, dict):
            for name, edge in (("min_pixels", "shortest_edge"), ("max_pixels", "longest_edge")):
                limit = size.get(edge) if size.get(edge) is not None else size.get(name)
                if limit is not None:
                    given.setdefault(name, limit)
        if config.get("do_rescale") is False:
            given["rescale_factor"] = 1.0
        if config.get("do_normalize") is False:
            given |= {"image_mean": 0.0, "image_std": 1.0}
        for name in {"image_mean", "image_std"} & given.keys():
            given[name] = _triple(given[name], name, file)
        settings = cls(**given)
        settings._check(file)
        return settings

    def _check(self, file: Traversable) -> None:
        """Refuses values that no image can be prepared with."""
        for name, most in MOST.items():
            value = getattr(self, name)
            _require(type(value) is int and value > 0, file, name, value, "a positive integer")
            _require(value <= most, file, name, value, f"at most {most}")
        _require(self.min_pixels <= self.max_pixels, file, "min_pixels", self.min_pixels, f"at most {self.max_pixels=}")
        is_filter = type(self.resample) is int and self.resample in RESAMPLES
        _require(is_filter, file, "resample", self.resample, "one of Pillow's filters, 0 to 5")
        factor = self.rescale_factor
        _require(_is_number(factor) and factor != 0, file, "rescale_factor", factor, "a number other than zero")
        _require(all(std > 0 for std in self.image_std), file, "image_std", self.image_std, "positive")


def _json(path: Traversable) -> dict[str, Any]:
    if isinstance(path, Path):
        return read_json(path, CheckpointError, CURE, constants=True)
    try:  # a file that an open package holds
        value = parse_json(path.read_bytes(), constants=True)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); {CURE}.") from error
    _require(isinstance(value, dict), path, "content", type(value).__name__, "a JSON object")
    return dict(value)


def _triple(value: Any, name: str, file: Traversable) -> tuple[float, float, float]:
    """One number for each color; a single number stands for all three, as in transformers."""
    values = [value] * 3 if _is_number(value) else value
    is_triple = isinstance(values, list | tuple) and len(values) == 3 and all(map(_is_number, values))
    _require(is_triple, file, name, value, "three numbers")
    red, green, blue = map(float, values)
    return red, green, blue


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST


def _require(holds: bool, file: Traversable, name: str, value: object, expected: str) -> None:
    if not holds:
        raise CheckpointError(f"{file} says {name} = {value!r:.60}, which must be {expected}; correct that file.")
