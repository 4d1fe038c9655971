"""Requests from asyncio: `async for output in AsyncLLM(path).generate(prompt)`; the event loop is never blocked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hf_messages.messages import Message
from tyllm.runtime.generation.request_output import RequestOutput
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.offline_batch import params_for
from tyllm.runtime.online_request import OnlineRequest
from tyllm.runtime.prefix_files import load_prefixes, save_prefixes
from tyllm.runtime.prompt.prompt_input import ChatInput, PromptInput, PromptLike, chat_inputs
from tyllm.runtime.served_package import ServedPackage
from tyllm_base.doors import Door
from tyllm_base.errors import GenerationError, PackageError

DOOR = Door(PackageError)


class AsyncLLM(ServedPackage):
    """A package in memory that serves requests of asyncio tasks together, in the manner of vLLM's class of that name.

    Prompts are made in threads, steps run in a thread of their own. Opening takes as long as `LLM(path)` does; in a
    running event loop use `await asyncio.to_thread(AsyncLLM, path)`. After a fork the child's copy refuses to run.
    """

    def generate(
        self, prompt: PromptLike, sampling_params: SamplingParams | None = None, *, request_id: str | None = None,
        timeout: float | None = None, delta: bool = False,
    ) -> AsyncGenerator[RequestOutput, None]:  # fmt: skip
        """Continue a prompt.

        The request is aborted where the iterator is left, or its task is cancelled.

        Args:
            prompt: text, token ids, embeddings, or a dict with images, as in `LLM.generate`.
            sampling_params: how; None for the defaults.
            request_id: a name for `abort`, of no other request that is running; None for one of its own making.
            timeout: seconds that it may take; then it ends with what there is and finish_reason "timeout".
            delta: yield with each output only what is new, and not all that there is.

        Yields:
            An output whenever there is something new; whoever asks late is given all of it at once. The last one is
            `finished`.

        Raises:
            GenerationError: the prompt or a parameter cannot be used, the name is taken, the engine was closed.
            StepError: compiled code failed.
        """
        return self._stream(lambda: PromptInput.of(prompt), sampling_params, request_id, timeout, delta)

    def chat(
        self, messages: Sequence[Message], sampling_params: SamplingParams | None = None, *,
        tools: Sequence[object] | None = None, template_options: Mapping[str, Any] | None = None,
        request_id: str | None = None, timeout: float | None = None, delta: bool = False,
    ) -> AsyncGenerator[RequestOutput, None]:  # fmt: skip
        """Answer the last of `messages`; see `generate` for what is yielded, and `LLM.chat` for the messages.

        Raises:
            GenerationError: as `generate`, or the template refuses the messages.
            StepError: compiled code failed.
            PackageError: the package has no chat template.
        """
        return self._stream(
            lambda: _only(chat_inputs(messages, tools, template_options)), sampling_params, request_id, timeout, delta
        )

    async def abort(self, request_id: str) -> None:
        """End a request within a step: its iterator yields what there is, with finish_reason "abort", and ends.

        One whose prompt is still made ends once that is made; nothing where no request of that name runs.

        Raises:
            GenerationError: the name is no text, or the process was forked.
        """
        with DOOR:
            self._engine.abort(request_id)

    async def save_prefix_cache(self, folder: str | Path) -> int:
        """Write the prefixes that the caches hold to files of a folder, for `load_prefix_cache` of another process.

        Returns:
            How many tokens they have together. Whatever runs goes on meanwhile.

        Raises:
            OutputError: the folder cannot be written.
            GenerationError: it was closed.
        """
        with DOOR:
            return await asyncio.to_thread(save_prefixes, self._engine, folder)

    async def load_prefix_cache(self, folder: str | Path) -> int:
        """Take prefixes from such a folder, the newest first, while slots and memory are empty.

        Returns:
            How many tokens they have together.

        Raises:
            GenerationError: there is no such folder, a file is damaged or belongs to another package, or it was closed.
        """
        with DOOR:
            return await asyncio.to_thread(load_prefixes, self._engine, folder)

    async def close(self) -> None:
        """End what is running with a `GenerationError`, stop the threads, free the memory; twice is no mistake."""
        with DOOR:
            await asyncio.to_thread(self._engine.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _stream(
        self, given: Callable[[], PromptInput | ChatInput], params: object, request_id: str | None,
        timeout: float | None, delta: bool,
    ) -> AsyncGenerator[RequestOutput, None]:  # fmt: skip
        with DOOR:
            (checked,) = params_for([given], params)
            request = OnlineRequest(self._engine, given, checked, request_id, timeout, delta=delta)
            async with aclosing(request.outputs()) as outputs:
                async for output in outputs:
                    yield output


def _only(found: list[ChatInput]) -> ChatInput:
    """The one conversation of a list; raises `GenerationError` for several."""
    if len(found) != 1:
        raise GenerationError(f"{len(found)} conversations are given; ask for each by itself.")
    return found[0]
