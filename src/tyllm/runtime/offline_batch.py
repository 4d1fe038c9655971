"""Requests that are all known beforehand: built, handed to the engine a few ahead, and collected in their order."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from queue import SimpleQueue

from tyllm.runtime.generation.request_output import RequestOutput
from tyllm.runtime.generation.result import Result
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.prompt.prompt_input import ChatInput, PromptInput
from tyllm.runtime.request_engine import RequestEngine
from tyllm.runtime.scheduler.engine_request import EngineRequest
from tyllm.runtime.scheduler.output_collector import OutputCollector
from tyllm.runtime.scheduler.sequence_update import SequenceUpdate
from tyllm_base.errors import GenerationError, TyllmError
from tyllm_base.option_checks import shown
from tyllm_base.progress import Progress

AHEAD = 2
"""As many requests as run are prepared beside them; images of more would take memory for nothing."""


class OfflineBatch:
    """Runs requests in the caller's thread as far as they are prepared and collected, and in the engine's else."""

    def __init__(
        self, engine: RequestEngine, inputs: Sequence[PromptInput | ChatInput], params: Sequence[SamplingParams],
        timeout: float | None,
    ) -> None:  # fmt: skip
        self._engine, self._inputs, self._params, self._timeout = engine, inputs, params, timeout
        self._outputs: dict[int, RequestOutput] = {}
        self._running: dict[str, tuple[int, OutputCollector]] = {}
        self._updates: SimpleQueue[SequenceUpdate] = SimpleQueue()
        self._waiting = iter(range(len(inputs)))

    def run(self, report: Progress) -> list[RequestOutput]:
        """All outputs in the order of the inputs; `report` is called as `report(done, total, "prompts")`.

        Raises:
            TyllmError: no request succeeded; that of the first.
        """
        total = len(self._inputs)
        try:
            while len(self._outputs) < total:
                self._submit(AHEAD * self._engine.settings.max_num_seqs - len(self._running))
                if self._running:
                    self._collect(self._updates.get())
                report(len(self._outputs), total, "prompts")
        except BaseException:
            for request_id in self._running:
                self._engine.abort(request_id)
            raise
        return _checked([self._outputs[index] for index in range(total)])

    def _submit(self, count: int) -> None:
        """Hand over the next requests; one that cannot be met has its output at once."""
        for index in itertools.islice(self._waiting, max(0, count)):
            try:
                self._begin(index)
            except TyllmError as error:
                failed = Result(finish_reason="error")
                self._outputs[index] = RequestOutput("", self._inputs[index].text, [], [failed], True, error=error)

    def _begin(self, index: int) -> None:
        given = self._inputs[index]
        prompt = given.build(self._engine.model.prompt_builder)
        request = EngineRequest(prompt, self._params[index], self._timeout, text=given.text)
        self._running[request.request_id] = index, OutputCollector(request)
        try:
            self._engine.submit(request, self._receive)
        except BaseException:
            del self._running[request.request_id]
            raise

    def _receive(self, update: SequenceUpdate) -> None:
        """In the engine's thread: the caller's wakes up for whole texts only, and for the prompt's scores."""
        if update.finished or update.prompt_logprobs is not None:
            self._updates.put(update)

    def _collect(self, update: SequenceUpdate) -> None:
        index, collector = self._running[update.request_id]
        collector.add_whole(update)
        if collector.finished:
            del self._running[update.request_id]
            self._outputs[index] = collector.output()


def params_for(inputs: Sequence[object], given: object) -> list[SamplingParams]:
    """Sampling parameters for each of the inputs; raises `GenerationError` for what is none, or another number."""
    if given is None or isinstance(given, SamplingParams):
        return [given or SamplingParams()] * len(inputs)
    if not isinstance(given, list | tuple) or not all(isinstance(each, SamplingParams) for each in given):
        raise GenerationError(
            f"The sampling parameters are {shown(given)}; give a SamplingParams, or a list with one for each prompt."
        )
    if len(given) != len(inputs):
        raise GenerationError(f"{len(given)} sampling parameters do not belong to {len(inputs)} prompts; give as many.")
    return list(given)


def _checked(outputs: list[RequestOutput]) -> list[RequestOutput]:
    """The outputs; raises the first error where there is nothing else, and warns where there are some."""
    errors = [output.error for output in outputs if output.error is not None]
    if errors and len(errors) == len(outputs):
        raise errors[0]
    if errors:
        warnings.warn(
            f"{len(errors)} of {len(outputs)} requests ended with an error; see `error` of their outputs. The first: "
            f"{errors[0]}", RuntimeWarning, stacklevel=6,
        )  # fmt: skip
    return outputs
