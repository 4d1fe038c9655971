"""Outputs that were handed out do not grow."""

from tyllm.runtime.generation.result import Result
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.scheduler.engine_request import EngineRequest
from tyllm.runtime.scheduler.output_collector import OutputCollector
from tyllm.runtime.scheduler.sequence_update import SequenceUpdate


def test_growing_outputs():
    collector, result = OutputCollector(EngineRequest(Prompt([1, 2]), SamplingParams(), None, "a", "hi")), Result()
    collector.add(SequenceUpdate("a", 0, result, "x", [5]))
    first = collector.output()
    result.token_ids, result.text, result.finish_reason = [5, 6], "xy", "stop"
    collector.add(SequenceUpdate("a", 0, result, "y", [6], finished=True))
    last = collector.output()
    assert (first.outputs[0].text, first.outputs[0].token_ids, first.finished) == ("x", [5], False)
    assert (last.outputs[0].text, last.outputs[0].token_ids, last.finished) == ("xy", [5, 6], True)
    assert (last.prompt, last.prompt_token_ids, last.request_id) == ("hi", [1, 2], "a")


def test_an_error_is_told():
    collector, error = OutputCollector(EngineRequest(Prompt([1]), SamplingParams())), ValueError("x")
    failed = Result(finish_reason="error")
    collector.add(SequenceUpdate("a", 0, failed, finished=True, error=error))
    assert collector.finished and collector.output().error is error


def test_a_prompt_of_one_token_has_no_log_probabilities_and_yet_a_list():
    collector = OutputCollector(EngineRequest(Prompt([1]), SamplingParams(prompt_logprobs=0)))
    collector.add(SequenceUpdate("a", 0, Result(), "x", [5], prompt_logprobs=[]))
    collector.add(SequenceUpdate("a", 0, Result(finish_reason="stop"), finished=True))
    assert collector.output().prompt_logprobs == []
