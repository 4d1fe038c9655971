"""Conversations as the text that the checkpoint's chat template makes of them, in a process with limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from hf_messages.chat_renderer import ChatRenderer
from hf_messages.messages import Message
from tyllm_base.errors import CalibrationError, GenerationError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_renderers: WeakKeyDictionary[PreTrainedTokenizerBase, tuple[dict[str, str], ChatRenderer]] = WeakKeyDictionary()
"""A tokenizer's templates and what renders them, until either changes."""


def chat_text(messages: Sequence[Message], tokenizer: PreTrainedTokenizerBase) -> str:
    """The text of a conversation, with no answer begun at its end.

    A tokenizer that renders in its own way does so; else the template runs in a process of its own.

    Raises:
        CalibrationError: there is no template, or it refuses the conversation or goes beyond a limit.
    """
    method = getattr(type(tokenizer), "apply_chat_template", None)
    if getattr(method, "__module__", None) != "transformers.tokenization_utils_base":
        return _in_its_own_way(messages, tokenizer)
    variables = {**tokenizer.special_tokens_map, "messages": list(messages), "tools": None, "documents": None,
                 "add_generation_prompt": False}  # fmt: skip
    try:
        return _renderer(tokenizer).render(variables)
    except GenerationError as error:
        raise CalibrationError(str(error)) from error


def _in_its_own_way(messages: Sequence[Message], tokenizer: PreTrainedTokenizerBase) -> str:
    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False))
    except Exception as error:  # whatever its code raises
        raise CalibrationError(
            f"The tokenizer's chat template refuses a conversation of the calibration data ({error}); correct either."
        ) from error


def _renderer(tokenizer: PreTrainedTokenizerBase) -> ChatRenderer:
    """What renders the tokenizer's templates; its process ends with the tokenizer."""
    sources = _sources(tokenizer.chat_template)
    kept = _renderers.get(tokenizer)
    if kept is None or kept[0] != sources:
        kept = sources, ChatRenderer(sources, _refusal)
        _renderers[tokenizer] = kept
    return kept[1]


def _sources(found: object) -> dict[str, str]:
    """Templates by name."""
    named = found if isinstance(found, Mapping) else {"default": found}
    if not named or not all(isinstance(source, str) for source in named.values()):
        raise _refusal("is neither text nor texts by name")
    return {str(name): str(source) for name, source in named.items()}


def _refusal(wrong: str) -> CalibrationError:
    return CalibrationError(f"The tokenizer's chat template {wrong}; correct the checkpoint's.")
