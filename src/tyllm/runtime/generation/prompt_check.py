"""Refuses prompts that cannot be fed after what a slot holds."""

from __future__ import annotations

from tyllm.package import Manifest
from tyllm.runtime.prompt.prompt import UNKNOWN, Prompt
from tyllm_base.errors import GenerationError, SettingError
from tyllm_base.option_checks import shown


def check_prompt(prompt: Prompt, manifest: Manifest) -> None:
    """Refuse a prompt that a package cannot take.

    Raises:
        GenerationError: no token, one outside the vocabulary, or embeddings of another size.
        SettingError: embeddings for a package of tokens.
    """
    if len(prompt) == 0:
        raise GenerationError("The prompt has no tokens; give at least one.")
    _check_inserts(prompt, manifest)
    _check_tokens(prompt, manifest.vocab_size)


def check_room(prompt: Prompt, there: int, limit: int) -> None:
    """Raise `GenerationError` where a prompt does not fit behind `there` tokens into a cache of `limit`."""
    count = len(prompt)
    if there + count <= limit:
        return
    before, cure = f" after {there} in the cache" if there else "", "shorten the prompt or"
    of_images = sum(insert.shape[0] for insert in prompt.inserts if insert.digest is not None)
    if of_images:
        before, cure = f" ({of_images} of images){before}", "give fewer images or words, or"
    raise GenerationError(
        f"{count} tokens{before} are more than the {limit} that the cache holds; "
        f"{cure} compile the model with a larger max_kv_cache_size."
    )


def _check_inserts(prompt: Prompt, manifest: Manifest) -> None:
    if prompt.inserts and not manifest.embedding_as_input:
        raise SettingError("This package takes token ids; compile it with embedding_as_input to feed embeddings.")
    for insert in prompt.inserts:
        if len(insert.shape) != 2 or insert.shape[1] != manifest.hidden_size:
            raise GenerationError(
                f"Embeddings of shape {list(insert.shape)} do not fit, give [n, {manifest.hidden_size}]."
            )


def _check_tokens(prompt: Prompt, vocabulary: int) -> None:
    least = UNKNOWN if any(insert.digest is None for insert in prompt.inserts) else 0
    outside = next((token for token in prompt.tokens if not least <= token < vocabulary), None)
    if outside is not None:
        raise GenerationError(f"Token {shown(outside)} is outside the vocabulary, give ids from 0 to {vocabulary - 1}.")
