"""What a request was given says how much of its prompt was cached."""

from tyllm.runtime.generation.request_output import RequestOutput
from tyllm.runtime.generation.result import Result, Timings


def test_cached_tokens_are_those_of_the_first_text():
    assert RequestOutput("a", None, [1]).cached_tokens == 0
    assert RequestOutput("a", None, [1], [Result(timings=Timings(cached_tokens=7)), Result()]).cached_tokens == 7
