"""A sequence's parts and keys, before and after it was preempted."""

import pytest

from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.generation.sequence import SequenceState
from tyllm.runtime.prompt.prompt import UNKNOWN, Insert, Prompt
from tyllm.runtime.scheduler.scheduled_sequence import ScheduledSequence


@pytest.fixture
def sequence():
    state = SequenceState(Prompt([1, 2, 3]), SamplingParams(), None, ())
    state.result.token_ids += [7, 8]
    return ScheduledSequence(state, "name", 0, "salt", 1.0)


def test_prompt_and_text_are_read_again_as_one(sequence):
    assert (sequence.length, sequence.remaining) == (5, 5)
    assert list(sequence.whole.tokens) == [1, 2, 3, 7, 8]
    assert sequence.keys == ["salt", 1, 2, 3, 7, 8] and sequence.fed_keys == ["salt"]
    assert [sequence.tokens_from(at) for at in (0, 2, 3, 5)] == [[1, 2, 3, 7, 8], [3, 7, 8], [7, 8], []]
    assert [list(sequence.part(at, 2).tokens) for at in (0, 2, 3, 4)] == [[1, 2], [3], [7, 8], [8]]


def test_embeddings_of_the_callers_own_are_shared_with_nobody():
    prompt = Prompt([1, UNKNOWN, 2], (Insert(1, (1, 8), lambda: None),))
    sequence = ScheduledSequence(SequenceState(prompt, SamplingParams(), None, ()), "name", 0, None, 1.0)
    sequence.state.result.token_ids.append(5)
    assert sequence.keys == [None, 1]


def test_a_scored_prompt_is_read_whole(sequence):
    assert sequence.may_reuse
    sequence.score_top = 0
    assert sequence.scores_prompt and not sequence.may_reuse
    sequence.prompt_logprobs += [None, None]
    assert not sequence.scores_prompt
