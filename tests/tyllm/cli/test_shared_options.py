"""What `run` and `chat` do when nothing is asked for is what the runtime does."""

import inspect

import pytest

from tyllm.cli.chat import chat
from tyllm.cli.run import run
from tyllm.runtime.generation.sampling_params import SamplingParams


@pytest.mark.parametrize("command", [run, chat])
@pytest.mark.parametrize("name", ["temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed"])
def test_sampling_defaults(command, name):
    assert inspect.signature(command).parameters[name].default == getattr(SamplingParams(), name)


def test_tokens_by_default():
    assert inspect.signature(run).parameters["max_new_tokens"].default == SamplingParams().max_new_tokens
