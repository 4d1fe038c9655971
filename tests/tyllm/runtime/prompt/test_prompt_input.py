"""What may be given as prompts, one or several, and what may not."""

import numpy as np
import pytest

from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.prompt.prompt_input import chat_inputs, prompt_inputs
from tyllm_base.errors import GenerationError

ROWS = np.zeros((2, 8), np.float32)
PROMPT = Prompt([1])


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("text", ["text"]),
        (["text", [1, 2]], ["text", [1, 2]]),
        ([1, 2], [[1, 2]]),
        ([np.int64(1), 2], [[1, 2]]),
        ([[1], [2, 3]], [[1], [2, 3]]),
        (range(3), [[0, 1, 2]]),
        ([], []),
        ({"prompt": "text"}, ["text"]),
        ([{"prompt_token_ids": [4]}, {"prompt": [5]}], [[4], [5]]),
        (PROMPT, [PROMPT]),
        ([""], [""]),
    ],
)
def test_one_or_several(given, found):
    assert [each.given for each in prompt_inputs(given)] == found


def test_arrays():
    assert prompt_inputs(ROWS)[0].given is ROWS
    assert prompt_inputs([ROWS, np.arange(3)])[0].given is ROWS


def test_texts_are_told_and_ids_are_not():
    assert [each.text for each in prompt_inputs(["a", [1], {"prompt": "b", "images": ["x"]}])] == ["a", None, "b"]
    assert prompt_inputs({"prompt": "b", "images": ["x"], "videos": None})[0].images == ("x",)


@pytest.mark.parametrize(
    "given",
    [b"text", 5, None, [1, "text"], [None], ["a", b"b"], {"text": "x"}, {}, {"prompt": "a", "prompt_token_ids": [1]},
     {"prompt": {"prompt": "a"}}, {"prompt": "a", "images": "cat.jpg"}, [1.5], np.zeros((2, 2), np.int64), {1, 2}],
)  # fmt: skip
def test_what_is_no_prompt(given):
    with pytest.raises(GenerationError, match=r"give|keys"):
        prompt_inputs(given)


HELLO = {"role": "user", "content": "Hello"}


def test_one_conversation_or_several():
    assert [each.messages for each in chat_inputs([HELLO], None, None)] == [[HELLO]]
    assert [each.messages for each in chat_inputs([[HELLO], [HELLO, HELLO]], None, None)] == [[HELLO], [HELLO, HELLO]]


@pytest.mark.parametrize("given", ["Hello", None, ["Hello"], [HELLO, [HELLO]], HELLO, 3])
def test_what_is_no_conversation(given):
    with pytest.raises(GenerationError, match="give"):
        chat_inputs(given, None, None)
