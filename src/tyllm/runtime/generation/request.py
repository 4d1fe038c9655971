"""The options of a generation as a caller gives them, checked and sorted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict, get_args

from tyllm.runtime.generation.sampling_params import CHECKS, LogitsProcessor, SamplingParams
from tyllm.runtime.generation.structured_outputs import StructuredOutputsParams
from tyllm.runtime.images.sizes import Fit
from tyllm_base.errors import GenerationError
from tyllm_base.option_checks import Check, WholeNumber, flag, listed, refusal

if TYPE_CHECKING:
    from tyllm.runtime.prompt.video_input import AnyVideo
    from tyllm.runtime.prompt.vision_tower import AnyImage


class GenerateOptions(TypedDict, total=False):
    """The options of `Session.generate` and `Session.chat`; `Request` and `SamplingParams` say what each means.

    Those of `SamplingParams` are given one by one, or all together as `sampling_params`.
    """

    sampling_params: SamplingParams | None
    max_new_tokens: int | None
    min_tokens: int
    stop: str | Sequence[str] | None
    stop_token_ids: Sequence[int] | None
    eos_token_ids: Sequence[int] | None
    ignore_eos: bool
    include_stop_str_in_output: bool
    skip_special_tokens: bool
    logprobs: int | None
    prompt_logprobs: int | None
    n: int
    best_of: int | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    repetition_penalty: float | None
    presence_penalty: float
    frequency_penalty: float
    logit_bias: Mapping[int, float] | None
    allowed_token_ids: Sequence[int] | None
    bad_words: str | Sequence[str] | None
    logits_processors: Sequence[LogitsProcessor] | None
    structured_outputs: StructuredOutputsParams | None
    seed: int | None
    slot: int
    reuse: bool
    images: Sequence[object] | None
    videos: Sequence[object] | None
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
        unknown = options.keys() - GenerateOptions.__annotations__.keys()
        if unknown:
            known = ", ".join(GenerateOptions.__annotations__)
            raise GenerationError(f"generate has no option {', '.join(sorted(unknown))}; its options are {known}.")
        params = _sampling_params(options)
        if params.count > 1:
            raise GenerationError(
                f"A session generates one text at a time, and {params.count} are asked for; leave n and best_of out "
                "and call it again for each, or use tyllm.LLM."
            )
        if params.prompt_logprobs is not None:
            raise GenerationError("A session gives no prompt_logprobs; call Session.score, or use tyllm.LLM.")
        return cls(params, **{name: check(name, options[name]) for name, check in OTHERS.items() if name in options})  # type: ignore[literal-required]


def _sampling_params(options: GenerateOptions) -> SamplingParams:
    """The sampling parameters, which are given together or one by one."""
    one_by_one: dict[str, Any] = {name: value for name, value in options.items() if name in CHECKS}
    params = options.get("sampling_params")
    if params is None:
        return SamplingParams(**one_by_one)
    if not isinstance(params, SamplingParams):
        raise refusal("sampling_params", params, "a SamplingParams")
    if one_by_one:
        raise GenerationError(f"{', '.join(one_by_one)} and sampling_params are both given; put them into one place.")
    return params


def _fit(name: str, value: Any) -> Fit:
    """One of the ways to fit an image."""
    if not isinstance(value, str) or value not in get_args(Fit):
        raise refusal(name, value, " or ".join(map(repr, get_args(Fit))))
    return value  # type: ignore[return-value]


def _pictures(name: str, value: Any) -> tuple[Any, ...]:
    """Images or videos in a list."""
    return listed(name, value, f"a list; put a single one into brackets: {name}=[…]")


OTHERS: Mapping[str, Check] = {
    "slot": WholeNumber(0, "the number of a slot, from 0"),
    "reuse": flag,
    "images": _pictures,
    "videos": _pictures,
    "image_fit": _fit,
}
