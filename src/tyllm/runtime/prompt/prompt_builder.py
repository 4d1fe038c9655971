"""Makes prompts: of text, token ids or chat messages, with images and videos."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_messages.messages import Message, separate_media
from tyllm.package import Manifest
from tyllm.runtime.prompt.chat_template import ChatTemplate
from tyllm.runtime.prompt.placeholders import check_placeholders, check_room, fill_placeholders
from tyllm.runtime.prompt.prompt import Embeddings, Prompt, token_ids
from tyllm.runtime.prompt.tokenizer import Tokenizer
from tyllm.runtime.prompt.video_input import VideoInput
from tyllm_base.errors import GenerationError, ImageError, PackageError
from tyllm_base.option_checks import listed, refusal

if TYPE_CHECKING:
    from tyllm.runtime.images.sizes import Fit
    from tyllm.runtime.prompt.video_input import AnyVideo
    from tyllm.runtime.prompt.vision_tower import AnyImage, VisionTower

Given = str | Sequence[int] | Embeddings | Prompt


class PromptBuilder:
    """Makes prompts for a package: its tokenizer, its chat template, and its vision tower if it has one."""

    def __init__(
        self, info: Manifest, vision_tower: VisionTower | None,
        tokenizer: Callable[[], Tokenizer], template: Callable[[], ChatTemplate],
    ) -> None:  # fmt: skip
        self._info, self._vision_tower, self._tokenizer, self._template = info, vision_tower, tokenizer, template

    def of(
        self, given: Given, images: Sequence[AnyImage] = (), videos: Sequence[AnyVideo] = (), fit: Fit = "pad"
    ) -> Prompt:
        """The prompt of text (tokenized with the special tokens that the tokenizer adds), token ids or embeddings.

        Raises:
            GenerationError: placeholders that do not match the images, an image that cannot be used, images for a text
                model, or a tokenizer that makes tokens that the model does not have.
        """
        if isinstance(given, Prompt) or (isinstance(given, np.ndarray) and given.dtype.kind == "f"):
            return Prompt.of(given)
        tokens = self._encoded(given) if isinstance(given, str) else token_ids(given)
        return self._with_images(tokens, images, videos, fit)

    def of_chat(
        self, messages: Sequence[Message], tools: Sequence[object] | None = None,
        options: Mapping[str, Any] | None = None, images: Sequence[AnyImage] = (), videos: Sequence[AnyVideo] = (),
        fit: Fit = "pad",
    ) -> Prompt:  # fmt: skip
        """The prompt of a chat, up to where the answer begins; `images` and `videos` follow those of the messages.

        Raises:
            GenerationError: the template refuses the messages, or makes nothing of them; tools or options that are no
                list and no dictionary; as `of`.
            PackageError: the package has no chat template.
        """
        tools, options = _tools(tools), _template_options(options)
        separated = separate_media(messages)
        images, videos = [*separated.images, *images], [*separated.videos, *videos]
        self._check_sight(images, videos)
        text = self._template().render(separated.messages, tools=tools, **options)
        tokens = self._encoded(text, add_special_tokens=False)
        if not tokens:
            raise GenerationError(
                "The chat template makes nothing of these messages; give others, or correct the checkpoint's template."
            )
        return self._with_images(tokens, images, videos, fit, of_chat=True)

    def has_placeholders(self, text: str) -> bool:
        """Whether a text says itself where images or videos belong."""
        visual = self._info.visual
        return visual is not None and not {visual.tokens["image"], visual.tokens["video"]}.isdisjoint(
            self._tokenizer().encode(text)
        )

    def _encoded(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Token ids of a text, all of which the model has."""
        tokens, vocabulary = (
            self._tokenizer().encode(text, add_special_tokens=add_special_tokens),
            self._info.vocab_size,
        )
        if max(tokens, default=0) >= vocabulary:
            raise GenerationError(
                f"The package's tokenizer.json makes token {max(tokens)} of this text, and the model has {vocabulary} "
                "tokens; give token ids, or compile a checkpoint whose tokenizer is its own."
            )
        return tokens

    def _with_images(
        self, tokens: list[int], images: Sequence[AnyImage], videos: Sequence[AnyVideo], fit: Fit, of_chat: bool = False
    ) -> Prompt:
        self._check_sight(images, videos)
        if self._vision_tower is None:
            return Prompt(tokens)
        started, tower, count = time.perf_counter(), self._vision_tower, len(images) + len(videos)
        check_placeholders(tokens, tower.visual, len(images), len(videos), self._show, of_chat=of_chat)
        if count:
            check_room(len(tokens), tower.visual, count, self._info.max_kv_cache_size)
        fitted_images = [tower.image(image, fit) for image in images]
        fitted_videos = [tower.video(VideoInput.of(video), fit) for video in videos]
        prompt = fill_placeholders(
            tokens, tower.visual, self._info.hidden_size, fitted_images, fitted_videos, tower.embeddings, self._show
        )
        return replace(prompt, seconds=time.perf_counter() - started if prompt.inserts else 0.0)

    def _show(self, token: int) -> str:
        """A token for a message."""
        try:
            return self._tokenizer().decode([token], skip_special_tokens=False)
        except PackageError:  # there is no tokenizer
            return f"(token {token})"

    def _check_sight(self, images: Sequence[AnyImage], videos: Sequence[AnyVideo]) -> None:
        if self._vision_tower is None and (images or videos):
            raise no_images(self._info)


def _tools(given: Any) -> list[object] | None:
    """Descriptions of functions in a list; None for none."""
    return None if given is None else list(listed("tools", given, "a list of descriptions of functions, or None"))


def _template_options(given: Any) -> dict[str, Any]:
    """Variables for the template by name, beside those that each chat has; {} for None."""
    expected = "a dictionary of variables by name, without messages and tools, or None"
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise refusal("template_options", given, expected)
    if not given.keys().isdisjoint(("messages", "tools")):
        raise refusal("template_options", given, expected)
    return dict(given)


def no_images(info: Manifest) -> ImageError:
    """The error of an image for a text model."""
    return ImageError(
        f"The package was compiled from a text model ({info.architecture}) and takes no images; compile a "
        "vision-language model such as Qwen2.5-VL."
    )
