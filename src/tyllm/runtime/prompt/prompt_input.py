"""What may be given as prompts: one or several, each as text, token ids, embeddings, or a mapping with images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_messages.messages import Message
from tyllm.runtime.prompt.prompt import Prompt, token_ids
from tyllm.runtime.prompt.prompt_builder import Given, PromptBuilder
from tyllm_base.errors import GenerationError
from tyllm_base.option_checks import shown

if TYPE_CHECKING:
    from tyllm.runtime.images.sizes import Fit

KEYS = ("prompt", "prompt_token_ids", "images", "videos")
PromptLike = Given | Mapping[str, Any]
"""One prompt; a mapping has the keys "prompt" or "prompt_token_ids", and perhaps "images" and "videos"."""


@dataclass(frozen=True)
class PromptInput:
    """One prompt as it was given, its kind checked; what is in it is checked when it is built."""

    given: Given
    images: tuple[Any, ...] = ()
    videos: tuple[Any, ...] = ()

    @property
    def text(self) -> str | None:
        """As the caller wrote it; None for token ids and embeddings."""
        return self.given if isinstance(self.given, str) else None

    def build(self, builder: PromptBuilder, fit: Fit = "pad") -> Prompt:
        """The prompt; raises as `PromptBuilder.of`."""
        return builder.of(self.given, self.images, self.videos, fit)

    @classmethod
    def of(cls, given: object) -> PromptInput:
        """One prompt; raises `GenerationError` for what is none."""
        if isinstance(given, Mapping):
            return cls._of_mapping(given)
        if isinstance(given, str | Prompt) or (
            isinstance(given, np.ndarray) and given.ndim == 2 and given.dtype.kind == "f"
        ):
            return cls(given)
        if isinstance(given, np.ndarray | Sequence) and not isinstance(given, bytes | bytearray | memoryview):
            return cls(token_ids(given))
        raise GenerationError(
            f"{shown(given)} is no prompt; give text, a list of token ids, or a dict with the key 'prompt' or "
            "'prompt_token_ids' and perhaps 'images' and 'videos'."
        )

    @classmethod
    def _of_mapping(cls, given: Mapping[Any, Any]) -> PromptInput:
        unknown = [key for key in given if key not in KEYS]
        if unknown:
            raise GenerationError(f"A prompt has the key {shown(unknown[0])}; its keys are {', '.join(KEYS)}.")
        found = [given[key] for key in KEYS[:2] if given.get(key) is not None]
        if len(found) != 1 or isinstance(found[0], Mapping):
            raise GenerationError(
                "A prompt that is a dict has either 'prompt' or 'prompt_token_ids'; give one of both."
            )
        return cls(cls.of(found[0]).given, _media(given, "images"), _media(given, "videos"))


@dataclass(frozen=True)
class ChatInput:
    """A conversation whose last message is to be answered."""

    messages: Sequence[Message]
    tools: Sequence[object] | None
    options: Mapping[str, Any] | None

    text = None

    def build(self, builder: PromptBuilder, fit: Fit = "pad") -> Prompt:
        """The prompt; raises as `PromptBuilder.of_chat`."""
        return builder.of_chat(self.messages, self.tools, self.options, fit=fit)


def prompt_inputs(prompts: object) -> list[PromptInput]:
    """One prompt, or several in a list; raises `GenerationError` for what is neither. A list of numbers is one."""
    if not isinstance(prompts, list | tuple) or (prompts and all(isinstance(each, Integral) for each in prompts)):
        return [PromptInput.of(prompts)]
    return [PromptInput.of(each) for each in prompts]


def chat_inputs(messages: object, tools: Sequence[object] | None, options: Mapping[str, Any] | None) -> list[ChatInput]:
    """One conversation, or several in a list; raises `GenerationError` for what is neither."""
    if not isinstance(messages, list | tuple) or not all(isinstance(each, Mapping | list | tuple) for each in messages):
        raise GenerationError(
            f"{shown(messages)} is no conversation; give a list of messages such as "
            '{"role": "user", "content": "Hello"}, or a list of such lists.'
        )
    if all(isinstance(each, Mapping) for each in messages):
        return [ChatInput(messages, tools, options)]
    if not all(isinstance(each, list | tuple) for each in messages):
        raise GenerationError("A list has both messages and conversations; give one of both.")
    return [ChatInput(each, tools, options) for each in messages]


def _media(given: Mapping[Any, Any], name: str) -> tuple[Any, ...]:
    found = given.get(name)
    if found is None:
        return ()
    if not isinstance(found, list | tuple):
        raise GenerationError(f"The {name} of a prompt are {shown(found)}; give a list.")
    return tuple(found)
