"""What `run` and `chat` do when nothing is asked for is what the runtime does."""

import inspect

import pytest

from tyllm.cli.chat import chat
from tyllm.cli.run import run
from tyllm.runtime.generation.sampling_params import SamplingParams

NAMES = ["temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "max_new_tokens"]


@pytest.mark.parametrize("command", [run, chat])
@pytest.mark.parametrize("name", NAMES)
def test_sampling_defaults(command, name):
    assert inspect.signature(command).parameters[name].default == getattr(SamplingParams(), name)
