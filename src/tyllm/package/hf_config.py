"""What the runtime reads of the checkpoint's own JSON files: bounded where they say it; they may say more."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from typing import Annotated, Any

from msgspec import Meta, Struct

from tyllm.package.field_types import Count
from tyllm.package.file_names import CONFIG, GENERATION_CONFIG, PREPROCESSOR
from tyllm.package.json_file import checked, read_json_if_there

PROCESSOR = "processor_config.json"
Token = Annotated[int, Meta(ge=-(1 << 31), lt=1 << 31)]
Tokens = Annotated[tuple[Token, ...], Meta(max_length=100_000)]
NotNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
PatchSide = Annotated[int, Meta(ge=1, le=1024)]


class HfTextConfig(Struct, frozen=True):
    """Of config.json, or of its `text_config`."""

    vocab_size: Count | None = None
    hidden_size: Count | None = None
    num_hidden_layers: Count | None = None
    eos_token_id: Token | Tokens | None = None


class HfVisionConfig(Struct, frozen=True):
    """Of config.json's `vision_config`."""

    spatial_merge_size: PatchSide | None = None
    patch_size: PatchSide | tuple[PatchSide, ...] | None = None  # InternVL says height and width
    temporal_patch_size: PatchSide | None = None
    tokens_per_second: float | None = None


class HfConfig(HfTextConfig, frozen=True):
    """Of config.json; older ones have the fields of `text_config` beside it."""

    model_type: str | None = None
    text_config: HfTextConfig | None = None
    vision_config: HfVisionConfig | None = None
    image_token_id: Token | None = None
    video_token_id: Token | None = None
    vision_start_token_id: Token | None = None
    vision_end_token_id: Token | None = None

    @classmethod
    def read(cls, files: Traversable) -> HfConfig:
        """The config in a package; raises `PackageError`."""
        return checked(read_json_if_there(files / CONFIG), files / CONFIG, cls, whole=False)

    def of_text(self, name: str) -> Any:
        """A field of the language model; None where config.json does not say it."""
        own = getattr(self.text_config, name, None)
        return getattr(self, name) if own is None else own

    def first(self, name: str) -> Any:
        """As `of_text`, but what stands outside of `text_config` goes before what is in it."""
        own = getattr(self, name)
        return getattr(self.text_config, name, None) if own is None else own


class HfGenerationConfig(Struct, frozen=True):
    """Of generation_config.json."""

    eos_token_id: Token | Tokens | None = None
    do_sample: bool | None = None
    temperature: NotNegative | None = None
    top_k: Token | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repetition_penalty: Positive | None = None

    @classmethod
    def read(cls, files: Traversable) -> HfGenerationConfig:
        """The one in a package; raises `PackageError`."""
        return checked(read_json_if_there(files / GENERATION_CONFIG), files / GENERATION_CONFIG, cls, whole=False)


class HfPreprocessor(Struct, frozen=True):
    """Of preprocessor_config.json; the defaults are those of transformers' Qwen2-VL."""

    patch_size: PatchSide | None = None
    temporal_patch_size: PatchSide | None = None
    merge_size: PatchSide | None = None

    @classmethod
    def read(cls, files: Traversable) -> HfPreprocessor:
        """The one in a package, or that within processor_config.json, which is taken before; raises `PackageError`."""
        nested = read_json_if_there(files / PROCESSOR).get("image_processor")
        raw = nested if isinstance(nested, dict) else read_json_if_there(files / PREPROCESSOR)
        return checked(raw, files / PREPROCESSOR, cls, whole=False)

    @property
    def side(self) -> int:
        """Pixels along a side of a patch."""
        return self.patch_size or 14

    @property
    def merge(self) -> int:
        """Patches along a side of a token."""
        return self.merge_size or 2

    @property
    def patch_values(self) -> int:
        """Float32 values of one patch: 3 colors × frames × rows × columns."""
        return 3 * (self.temporal_patch_size or 2) * self.side**2
