"""The options of a generation as a caller gives them, checked and sorted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypedDict

from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm_base.errors import GenerationError

if TYPE_CHECKING:
    from tyllm.runtime.images.sizes import Fit
    from tyllm.runtime.prompt.video_input import AnyVideo
    from tyllm.runtime.prompt.vision_tower import AnyImage


class GenerateOptions(TypedDict, total=False):
    """The options of `Session.generate` and `Session.chat`; `Request` and `SamplingParams` say what each means."""

    max_new_tokens: int
    stop: str | Sequence[str]
    eos_token_ids: Sequence[int] | None
    ignore_eos: bool
    skip_special_tokens: bool
    logprobs: int | None
    slot: int
    reuse: bool
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    seed: int | None
    images: Sequence[object]
    videos: Sequence[object]
    image_fit: Fit


@dataclass(frozen=True)
class Request:
    """A checked request.

    Attributes:
        params: how the sequence is continued.
        slot: the slot of the KV cache to use.
        reuse: keep the part of the slot's cache that the prompt starts with, and feed only what follows.
        images: images for the prompt's placeholders (of a chat: after those of its messages), as paths, bytes,
            file:// or data: URLs, Pillow images, uint8 arrays, or what `VisionTower.image` gave.
        videos: videos likewise: frames, folders of frames, files with several frames, or with rates as `VideoInput`
            and {"video": …, "fps": …}.
        image_fit: "pad" or "resize" an image that has not the shape of a compiled size.
    """

    params: SamplingParams = field(default_factory=SamplingParams)
    slot: int = 0
    reuse: bool = False
    images: tuple[AnyImage, ...] = ()
    videos: tuple[AnyVideo, ...] = ()
    image_fit: Fit = "pad"

    @classmethod
    def of(cls, options: GenerateOptions) -> Request:
        """The request that these options make.

        Raises:
            GenerationError: an option that there is not, or a value that cannot work.
        """
        given: dict[str, Any] = dict(options)
        unknown = given.keys() - GenerateOptions.__annotations__.keys()
        if unknown:
            known = ", ".join(GenerateOptions.__annotations__)
            raise GenerationError(f"generate has no option {', '.join(sorted(unknown))}; its options are {known}.")
        try:
            return cls._of_known(given)
        except (TypeError, ValueError) as error:
            raise GenerationError(f"An option of generate has a value of a wrong type: {error}.") from error

    @classmethod
    def _of_known(cls, given: dict[str, Any]) -> Request:
        for name in ("images", "videos"):
            given[name] = tuple(given.get(name, ()))
        stop, eos = given.get("stop", ()), given.get("eos_token_ids")
        given["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
        given["eos_token_ids"] = None if eos is None else tuple(eos)
        params = SamplingParams(**{f.name: given.pop(f.name) for f in fields(SamplingParams) if f.name in given})
        return cls(params=params, **given)
