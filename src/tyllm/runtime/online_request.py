"""A request of an asyncio task: made in a thread, followed to its end, and aborted where the task leaves it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable

from tyllm.runtime.generation.request_output import RequestOutput
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.prompt.prompt_input import ChatInput, PromptInput
from tyllm.runtime.request_engine import RequestEngine, checked_name
from tyllm.runtime.scheduler.engine_request import EngineRequest
from tyllm.runtime.scheduler.output_collector import OutputCollector
from tyllm.runtime.update_mailbox import UpdateMailbox
from tyllm_base.option_checks import flag


class OnlineRequest:
    """One request; `outputs` is asked for once."""

    def __init__(
        self, engine: RequestEngine, given: Callable[[], PromptInput | ChatInput], params: SamplingParams,
        request_id: str | None, timeout: float | None, *, delta: bool,
    ) -> None:  # fmt: skip
        """Raise `GenerationError` for a name that is no text."""
        self._engine, self._given, self._params = engine, given, params
        self._request_id = uuid.uuid4().hex if request_id is None else checked_name(request_id)
        self._timeout, self._delta = timeout, flag("delta", delta)
        self._begun = self._left = False

    async def outputs(self) -> AsyncGenerator[RequestOutput, None]:
        """Its outputs as they grow; raises what is wrong with it."""
        mailbox = UpdateMailbox(asyncio.get_running_loop())
        finished = False
        try:
            with self._engine.preparing(self._request_id):
                collector = OutputCollector(await asyncio.to_thread(self._begin, mailbox))
            while not finished:
                for update in await mailbox.take():
                    collector.add(update)
                finished = collector.finished
                if not collector.is_telling:
                    continue
                output = collector.output(only_new=self._delta)
                if output.error is not None:
                    raise output.error
                yield output
        finally:
            self._left = True
            if self._begun and not finished:
                self._engine.abort(self._request_id)

    def _begin(self, mailbox: UpdateMailbox) -> EngineRequest:
        """Make the prompt and begin, in a thread: the task may be cancelled meanwhile."""
        given = self._given()
        prompt = given.build(self._engine.model.prompt_builder)
        request = EngineRequest(prompt, self._params, self._timeout, self._request_id, given.text)
        if not self._left:
            self._engine.submit(request, mailbox.put)
            self._begun = True
        if self._begun and self._left:
            self._engine.abort(self._request_id)
        return request
