"""Puts images and videos where a prompt has their placeholders, as Hugging Face's Qwen2-VL processor does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING

from tyllm.package import Visual
from tyllm.runtime.prompt.prompt import Embeddings, Insert, Prompt
from tyllm.runtime.prompt.rope_index import Span, rope_index, temporal_step
from tyllm_base.errors import GenerationError

if TYPE_CHECKING:
    from tyllm.runtime.images import Fitted


def fill_placeholders(
    tokens: Sequence[int], visual: Visual, hidden_size: int, images: Sequence[Fitted], videos: Sequence[Fitted],
    embeddings: Callable[[Fitted], Embeddings], show: Callable[[int], str],
) -> Prompt:  # fmt: skip
    """The prompt in which each placeholder has become as many as its image has embeddings.

    Args:
        tokens: with one "image" token for each of `images` and one "video" token for each of `videos`, in order.
        visual: says which tokens these are.
        hidden_size: of the embeddings.
        images: images.
        videos: videos.
        embeddings: gives an image's or video's, float32 [its tokens, hidden_size].
        show: the text of a token.

    Raises:
        GenerationError: there are more or fewer placeholders than images.
    """
    given = {visual.tokens["image"]: iter(images), visual.tokens["video"]: iter(videos)}
    for name, kind, there in (("image", "image", images), ("video", "video", videos)):
        token = visual.tokens[kind]
        _check_count(name, show(token), list(tokens).count(token), len(there))
    filled: list[int] = []
    inserts, spans = [], []
    for token in tokens:
        fitted = next(given.get(token, _nothing()), None)
        if fitted is None:
            filled.append(token)
            continue
        shape = fitted.tokens, hidden_size
        inserts.append(Insert(len(filled), shape, _once(embeddings, fitted), fitted.digest, fitted.message))
        spans.append(_span(len(filled), fitted, visual))
        filled += repeat(token, fitted.tokens)
    return Prompt(filled, tuple(inserts), rope_index(len(filled), spans))


def _check_count(name: str, placeholder: str, found: int, given: int) -> None:
    if found != given:
        raise GenerationError(
            f"The prompt has {found} placeholder{'s' * (found != 1)} {placeholder} for {given} "
            f"{name}{'s' * (given != 1)}; write one where each {name} belongs, or give a chat whose messages have the "
            f"{name}s in them."
        )


def _nothing() -> Iterator[Fitted]:
    return iter(())


def _once(embeddings: Callable[[Fitted], Embeddings], fitted: Fitted) -> Callable[[], Embeddings]:
    """The embeddings, computed at the first call and then held as long as the prompt."""
    found: list[Embeddings] = []

    def compute() -> Embeddings:
        if not found:
            found.append(embeddings(fitted))
        return found[0]

    return compute


def _span(start: int, fitted: Fitted, visual: Visual) -> Span:
    t, h, w = fitted.grid
    grid = t, h // visual.merge_size, w // visual.merge_size
    return Span(start, grid, temporal_step(fitted.seconds_per_grid, visual.tokens_per_second))
