"""What a caller may ask of a generation, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypedDict

from tyllm.runtime.generation.sampling import Sampling
from tyllm_errors import GenerationError

if TYPE_CHECKING:
    from tyllm.runtime.images.sizes import Fit


class Options(TypedDict, total=False):
    """The options of `Session.generate` and `Session.chat`; `Request` and `Sampling` say what each means."""

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
        max_new_tokens: most tokens to generate.
        stop: strings that end the text and are cut from it, wherever token borders lie.
        eos_token_ids: tokens that end the text; None for the package's own.
        ignore_eos: go on after them, for measurements.
        skip_special_tokens: leave tokens such as <|im_end|> out of the text.
        logprobs: with each token its log-probability and that many likeliest others; None for neither.
        slot: the conversation to use.
        reuse: keep the part of the slot's cache that the prompt starts with, and feed only what follows.
        sampling: how to pick tokens.
        images: images for the prompt's placeholders (of a chat: after those of its messages), as paths, bytes,
            data: URLs, Pillow images, uint8 arrays, or what `Vision.image` gave.
        videos: videos likewise: frames, folders of frames, files with several frames, or with rates as `VideoInput` and
            {"video": …, "fps": …}.
        image_fit: "pad" or "resize" an image that has not the shape of a compiled size.
    """

    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()
    eos_token_ids: tuple[int, ...] | None = None
    ignore_eos: bool = False
    skip_special_tokens: bool = True
    logprobs: int | None = None
    slot: int = 0
    reuse: bool = False
    sampling: Sampling = field(default_factory=Sampling)
    images: tuple[Any, ...] = ()
    videos: tuple[Any, ...] = ()
    image_fit: Fit = "pad"

    @classmethod
    def of(cls, options: Options) -> Request:
        """The request that these options make.

        Raises:
            GenerationError: an option that there is not, or a value that cannot work.
        """
        given: dict[str, Any] = dict(options)
        unknown = given.keys() - Options.__annotations__.keys()
        if unknown:
            known = ", ".join(Options.__annotations__)
            raise GenerationError(f"generate has no option {', '.join(sorted(unknown))}; its options are {known}.")
        try:
            return cls._of_known(given)
        except (TypeError, ValueError) as error:
            raise GenerationError(f"An option of generate has a value of a wrong type: {error}.") from error

    @classmethod
    def _of_known(cls, given: dict[str, Any]) -> Request:
        sampling = Sampling(**{f.name: given.pop(f.name) for f in fields(Sampling) if f.name in given})
        stop = given.pop("stop", ())
        eos = given.pop("eos_token_ids", None)
        return cls(
            images=tuple(given.pop("images", ())),
            videos=tuple(given.pop("videos", ())),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            eos_token_ids=None if eos is None else tuple(eos),
            sampling=sampling,
            **given,
        )

    def __post_init__(self) -> None:
        """Raise `GenerationError` for a value that cannot work."""
        if self.max_new_tokens < 1:
            raise GenerationError(f"max_new_tokens is {self.max_new_tokens}, it must be 1 or more.")
        if self.logprobs is not None and self.logprobs < 0:
            raise GenerationError(f"logprobs is {self.logprobs}, it must be 0 or more, or None.")
        if "" in self.stop:
            raise GenerationError("A stop string is empty; leave it out or give it a character.")
