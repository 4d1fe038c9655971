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

MOST_POSITIONS = 1 << 24  # float32, by which rotations are computed, tells whole numbers apart up to here


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
    check_placeholders(tokens, visual, len(images), len(videos), show)
    given = {visual.tokens["image"]: iter(images), visual.tokens["video"]: iter(videos)}
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


def check_placeholders(
    tokens: Sequence[int], visual: Visual, images: int, videos: int, show: Callable[[int], str], *,
    of_chat: bool = False,
) -> None:  # fmt: skip
    """Raise `GenerationError` where the prompt has not as many placeholders as there are images and videos.

    Args:
        tokens: of the prompt.
        visual: says which tokens these are.
        images: how many.
        videos: how many.
        show: the text of a token.
        of_chat: whether a chat template wrote the prompt, and with it the placeholders.
    """
    for name, given in (("image", images), ("video", videos)):
        token = visual.tokens[name]
        if (found := list(tokens).count(token)) != given:
            raise _mismatch(name, show(token), found, given, of_chat)


def check_room(tokens: int, visual: Visual, images: int, most: int) -> None:
    """Refuse images that cannot fit, even if each became as few tokens as one can, before any is decoded.

    Args:
        tokens: of the prompt, in which each image is one.
        visual: says which sizes there are.
        images: images and videos.
        most: tokens that the cache holds.

    Raises:
        GenerationError: they are too many.
    """
    least = min((size.grid[0] * size.grid[1] // visual.merge_size**2 for size in visual.sizes), default=1)
    if tokens + images * (least - 1) > most:
        raise GenerationError(
            f"{images:,} images or videos of at least {least:,} tokens each do not fit into the {most:,} tokens that "
            "the cache holds; give fewer, or compile the model with a larger max_kv_cache_size."
        )


def _mismatch(name: str, placeholder: str, found: int, given: int, of_chat: bool) -> GenerationError:
    cure = (
        f"put each {name} into a message and {placeholder} into no text, and where that is so, correct the "
        "checkpoint's chat template"
        if of_chat
        else f"write one where each {name} belongs, or give a chat whose messages have the {name}s in them"
    )
    return GenerationError(
        f"The {'chat' if of_chat else 'prompt'} has {found} placeholder{'s' * (found != 1)} {placeholder} for {given} "
        f"{name}{'s' * (given != 1)}; {cure}."
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
    step = temporal_step(fitted.seconds_per_grid, visual.tokens_per_second)
    if t * step > MOST_POSITIONS:
        raise GenerationError(
            f"A video has {t:,} times {fitted.seconds_per_grid:.3g} s, longer than positions can tell; check its rate "
            "(fps, source_fps)."
        )
    return Span(start, grid, step)
