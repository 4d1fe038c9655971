"""An opened package with a thread that serves requests: what `LLM` and `AsyncLLM` stand on."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import TypeVar

from tyllm.runtime.cache.kv_memory import KvMemory, memory_budget
from tyllm.runtime.draft_package import draft_share, drafts_of, open_draft
from tyllm.runtime.model import Model
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.scheduler.draft_costs import DraftCosts
from tyllm.runtime.scheduler.engine_core import EngineCore
from tyllm.runtime.scheduler.engine_loop import EngineLoop
from tyllm.runtime.scheduler.engine_request import EngineRequest, RequestChecks
from tyllm.runtime.scheduler.engine_settings import EngineSettings
from tyllm.runtime.scheduler.scheduler import Scheduler
from tyllm.runtime.scheduler.sequence_update import SequenceUpdate
from tyllm.runtime.scheduler.slot_pool import SlotPool
from tyllm.runtime.scheduler.step_limits import StepLimits
from tyllm.signing.signer import Signer
from tyllm_base.errors import SettingError
from tyllm_base.option_checks import refusal

T = TypeVar("T")


class RequestEngine:
    """Serves requests from any thread until it is closed, or nobody has it any more.

    Attributes:
        model: the opened package.
        settings: as they were given.
        pool: the slots; the engine's thread changes it, and what `between_steps` is given.
    """

    def __init__(
        self, path: str | Path, threads: int | None, settings: EngineSettings, *,
        pin: bool, signer: Signer | str | Path | None,
    ) -> None:  # fmt: skip
        """Open a package; arguments and errors are those of `LLM`."""
        self.settings = settings
        self._preparing: dict[str, Event] = {}
        closing = ExitStack()
        try:
            self.model = Model(path, threads, settings.slots, pin=pin, signer=signer)
            closing.callback(self.model.close)
            draft = open_draft(self.model, threads, settings, pin=pin, signer=signer)
            if draft is not None:
                closing.callback(draft.close)
            self._build(self.model, draft, settings, closing)
        except BaseException:
            closing.close()
            raise

    def _build(self, model: Model, draft: Model | None, settings: EngineSettings, closing: ExitStack) -> None:
        """The scheduler over the models, and its thread, which closes everything at its end."""
        runner, manifest = model.runner, model.info
        limits = StepLimits(runner.seq_lens, runner.max_batch_rows, settings.max_batched_tokens, manifest.vocab_size)
        memory, budget = KvMemory(model.package.buffers), memory_budget(settings.kv_cache_memory)
        share = 0 if draft is None else draft_share(draft, model, budget)
        self.pool = pool = SlotPool(model.engine, model.slots, memory, budget - share)
        if pool.budget < (least := memory.bytes_of(1 + limits.spare)):
            least += share * least // max(1, pool.budget)
            raise SettingError(f"{budget:,} bytes hold no conversation; give a kv_cache_memory of {least:,} or more.")
        drafts = None if draft is None else drafts_of(draft, model, share)
        embedder = ThreadPoolExecutor(1, "tyllm-images")
        closing.callback(embedder.shutdown, cancel_futures=True)
        scheduler = Scheduler(pool, limits, settings.max_num_seqs, _embed_with(embedder), drafts, DraftCosts())
        self._checks = RequestChecks(
            manifest, model.tokenizer_if_there, model.eos_token_ids, model.sampling_defaults,
            lambda tokens: pool.fits(tokens + limits.spare),
            shares=settings.enable_prefix_caching,
            drafts=settings.drafts, looks_up=draft is None,
        )  # fmt: skip
        self._loop = EngineLoop(EngineCore(runner, scheduler), closing.close)
        self._stop = weakref.finalize(self, self._loop.stop)
        self._stop.atexit = False  # the loop's own end of the process leaves a step that takes long

    def submit(self, request: EngineRequest, receiver: Callable[[SequenceUpdate], object]) -> None:
        """Begin a request; `receiver` is called in the engine's thread with each update, and must return at once.

        Raises:
            GenerationError: the request cannot be met, the engine is closed, or the process was forked.
            SettingError: embeddings for a package of tokens.
        """
        self._loop.submit(self._checks.sequences(request), receiver)

    @contextmanager
    def preparing(self, request_id: str) -> Iterator[None]:
        """While a request is made and submitted: who aborts it meanwhile ends it as soon as it has begun."""
        aborted = self._preparing.setdefault(request_id, Event())
        try:
            yield
        finally:
            self._preparing.pop(request_id, None)
            if aborted.is_set():
                self._loop.abort(request_id)

    def abort(self, request_id: str) -> None:
        """End a request within a step; nothing where it has ended. Raises `GenerationError` for no text."""
        if (aborted := self._preparing.get(checked_name(request_id))) is not None:
            aborted.set()
        self._loop.abort(request_id)

    def between_steps(self, function: Callable[[], T]) -> T:
        """What a function gives that is called in the engine's thread between two steps; raises what it raises."""
        result: Future[T] = Future()

        def call() -> None:
            try:
                result.set_result(function())
            except Exception as error:
                result.set_exception(error)

        self._loop.call(call)
        return result.result()

    def close(self) -> None:
        """End all requests with an error, stop the threads, free the memory; calling it twice is no mistake."""
        self._stop()


def checked_name(given: object) -> str:
    """The name of a request; raises `GenerationError` where it is no text."""
    if not isinstance(given, str):
        raise refusal("request_id", given, "a text")
    return given


def _embed_with(threads: ThreadPoolExecutor) -> Callable[[Prompt], Future[float]]:
    """A function that has the embeddings of a prompt's images computed beside the engine's steps."""
    return lambda prompt: threads.submit(prompt.compute_embeddings)
