"""What a slot cannot take is refused with its number and the cure."""

from types import SimpleNamespace

import numpy as np
import pytest

from tyllm.runtime.generation.prompt_check import check_prompt, check_room
from tyllm.runtime.prompt.prompt import Insert, Prompt
from tyllm_base.errors import GenerationError, SettingError


def check(prompt, embedding_as_input=True):
    """Behind 3 tokens in a cache of 8."""
    manifest = SimpleNamespace(vocab_size=10, hidden_size=4, embedding_as_input=embedding_as_input)
    check_prompt(prompt, manifest)
    check_room(prompt, 3, 8)


def image(count, width=4):
    insert = Insert(0, (count, width), lambda: np.zeros((count, width), np.float32), "digest")
    return Prompt([9] * count, (insert,))


def test_what_fits():
    check(Prompt([0, 9, 1, 1, 1]))
    check(image(5))
    check(Prompt.of_embeddings(np.zeros((5, 4), np.float32)))


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (Prompt([]), "The prompt has no tokens"),
        (Prompt([10]), "Token 10 is outside the vocabulary, give ids from 0 to 9"),
        (Prompt([-1]), "Token -1 is outside"),
        (Prompt([1] * 6), "6 tokens after 3 in the cache are more than the 8 that the cache holds; shorten the prompt"),
        (image(6), r"6 tokens \(6 of images\) after 3 in the cache are more .*give fewer images or words"),
        (image(2, width=5), r"shape \[2, 5\] do not fit, give \[n, 4\]"),
    ],
)
def test_what_does_not(prompt, words):
    with pytest.raises(GenerationError, match=words):
        check(prompt)


def test_embeddings_for_a_package_of_tokens():
    with pytest.raises(SettingError, match="takes token ids; compile it with embedding_as_input"):
        check(image(1), embedding_as_input=False)
