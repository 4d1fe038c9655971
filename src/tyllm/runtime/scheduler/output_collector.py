"""Makes the output of a request from the updates of its sequences."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import replace

from tyllm.runtime.generation.request_output import RequestOutput
from tyllm.runtime.generation.result import Result
from tyllm.runtime.scheduler.engine_request import EngineRequest
from tyllm.runtime.scheduler.sequence_update import SequenceUpdate


class OutputCollector:
    """One request's texts as they come."""

    def __init__(self, request: EngineRequest) -> None:
        self._request = request
        self._results = [Result(index=index) for index in range(request.count)]
        self._output = RequestOutput(request.request_id, request.text, list(request.prompt.tokens))

    @property
    def finished(self) -> bool:
        """Whether all texts are complete."""
        return all(result.finish_reason for result in self._results)

    @property
    def is_telling(self) -> bool:
        """Whether there is something to tell: of texts that are compared with one another, once all are complete."""
        return self.finished or not self._request.is_ranked

    def add(self, update: SequenceUpdate) -> None:
        """Take what a step brought."""
        result = self._results[update.index]
        result.text += update.text
        result.token_ids += update.token_ids
        result.logprobs += update.logprobs
        if update.finished:
            result.finish_reason, result.stop_reason = update.result.finish_reason, update.result.stop_reason
        result.timings, result.notes = copy(update.result.timings), update.result.notes
        self._note(update)

    def add_whole(self, update: SequenceUpdate) -> None:
        """Take the whole result of a sequence that has ended, whose other updates nobody took."""
        if update.finished:
            update.result.index = update.index
            self._results[update.index] = update.result
        self._note(update)

    def _note(self, update: SequenceUpdate) -> None:
        """What concerns all texts."""
        if update.prompt_logprobs is not None:
            self._output.prompt_logprobs = update.prompt_logprobs
        self._output.error = update.error or self._output.error

    def output(self, *, only_new: bool = False) -> RequestOutput:
        """What there is, in lists that do not grow; or only what has come since the last call."""
        output = copy(self._output)
        output.finished = self.finished
        results = self._likeliest() if self._request.is_ranked and self.finished else self._results
        output.outputs = [_copied(result) for result in results]
        if only_new:
            for result in self._results:
                result.text, result.token_ids, result.logprobs = "", [], []
        return output

    def _likeliest(self) -> list[Result]:
        """As many texts as are wanted, the likeliest first; those that ended with an error are the unlikeliest."""
        params = self._request.params
        ranked = sorted(self._results, key=_likelihood, reverse=True)[: params.n]
        logprobs_of = (lambda result: result.logprobs) if params.logprobs is not None else (lambda result: [])
        return [replace(each, index=index, logprobs=logprobs_of(each)) for index, each in enumerate(ranked)]


def _likelihood(result: Result) -> float:
    """The logarithm of the probability of a text."""
    if result.finish_reason == "error":
        return -math.inf
    return sum(each.logprob for each in result.logprobs)


def _copied(result: Result) -> Result:
    found = copy(result)
    found.token_ids, found.logprobs = list(result.token_ids), list(result.logprobs)
    return found
