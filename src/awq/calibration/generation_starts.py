"""The beginnings of a model's own calibration text: a random word each, half of them said by the user of a chat model.

A random first token makes the samples differ, in language too, since it is drawn from the whole vocabulary; the opening
of a chat template alone makes a chat model write what its users say (as in Magpie, Xu et al. 2024, arXiv 2406.08464).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from typing import TYPE_CHECKING

import torch

from awq.calibration.chat_text import chat_text
from awq.calibration.tokens import encoding
from tyllm_base.errors import CalibrationError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MARK = "\u2042"  # stands for the user's words while the template is taken apart


@encoding()
def planned_samples(
    tokenizer: PreTrainedTokenizerBase | None, count: int, length: int, vocabulary: int, seed: int = 0
) -> torch.Tensor:
    """The beginnings of `count` samples, int64 [count, length], and −1 wherever the model is still to write.

    Every second sample opens with the tokenizer's chat template, if it has one that leaves room for more.

    Args:
        tokenizer: Hugging Face's; with None, or without a `decode`, every token counts as a word.
        count: how many.
        length: tokens of a sample.
        vocabulary: size of the model's vocabulary.
        seed: of the random words.

    Raises:
        CalibrationError: no samples, samples without room for the model's text, or a tokenizer that fails.
    """
    beginning = _beginning(tokenizer)
    least = len(beginning) + 2
    if count < 1 or length < least:
        raise CalibrationError(
            f"The model cannot write {count} samples of {length} tokens; use 1 or more of at least {least} tokens."
        )
    openings = cycle([beginning, *(tokens for tokens in _chat_opening(tokenizer) if 2 * len(tokens) < length)])
    words = _words(tokenizer, vocabulary, torch.Generator().manual_seed(seed))
    samples = torch.full((count, length), -1, dtype=torch.int64)
    for sample, opening, word in zip(samples, openings, islice(words, count), strict=False):
        sample[: len(opening) + 1] = torch.tensor([*opening, word])
    return samples


def _beginning(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that the tokenizer puts before every text, such as a BOS token."""
    return list(tokenizer.encode("")) if hasattr(tokenizer, "bos_token_id") else []


def _chat_opening(tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """The tokens that a chat template puts before the user's first word, as a list of one; empty without a template."""
    if not getattr(tokenizer, "chat_template", None):
        return []
    rendered = chat_text([{"role": "user", "content": MARK}], tokenizer)
    return [list(tokenizer.encode(rendered.partition(MARK)[0], add_special_tokens=False))]


def _words(tokenizer: PreTrainedTokenizerBase, vocabulary: int, generator: torch.Generator) -> Iterator[int]:
    """Random tokens that are words or parts of words, in an order that does not end."""
    order: list[int] = torch.randperm(vocabulary, generator=generator).tolist()
    special = {*getattr(tokenizer, "all_special_ids", ()), *getattr(tokenizer, "added_tokens_decoder", ())}
    while True:
        found = False
        for token in order:
            if token not in special and _is_word(tokenizer, token):
                found = True
                yield token
        if not found:
            yield from order


def _is_word(tokenizer: PreTrainedTokenizerBase, token: int) -> bool:
    """Whether a token stands for letters or digits, whole characters of them."""
    if not hasattr(tokenizer, "decode"):
        return True
    text = tokenizer.decode([token])
    return "\ufffd" not in text and any(character.isalnum() for character in text)
