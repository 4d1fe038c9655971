"""Speeds from tokens and seconds."""

from tyllm.runtime.generation.result import Timings


def test_speeds():
    timings = Timings(prompt_tokens=30, prompt_seconds=2.0, new_tokens=11, decode_seconds=5.0)
    assert timings.prompt_tokens_per_second == 15
    assert timings.decode_tokens_per_second == 2


def test_nothing_yet():
    assert (Timings().prompt_tokens_per_second, Timings().decode_tokens_per_second) == (0, 0)
