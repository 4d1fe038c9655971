"""The simplest scheduler: one sequence, its prompt fed in steps, then a token a step; its text comes as an iterator."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tyllm.runtime.generation.result import Result
from tyllm.runtime.generation.sequence import SequenceState
from tyllm.runtime.step.model_runner import Logits, ModelRunner
from tyllm.runtime.step.prefill import feed
from tyllm_base.doors import Door, callers
from tyllm_base.errors import GenerationError, PackageError
from tyllm_base.progress import Progress, ignore

DOOR = Door(PackageError)


class GenerationStream(Iterator[str]):
    """An iterator over pieces of text; `result` grows with it and is complete at its end.

    The prompt is fed when `prefill` is called or the first piece is asked for. It may be left at any piece. It is read
    from one thread at a time; where another call takes its slot over, it ends with a `GenerationError`.
    """

    def __init__(self, sequence: SequenceState, runner: ModelRunner) -> None:
        """Generate a sequence that has its slot."""
        self._sequence, self._runner = sequence, runner
        self._prompt_logits: Logits | None = None
        self._pieces, self._reading = self._generate(), threading.Lock()

    @property
    def result(self) -> Result:
        """The tokens and the text so far."""
        return self._sequence.result

    def __next__(self) -> str:
        with DOOR, self._alone():
            piece = next(self._pieces, None)
        if piece is None:
            raise StopIteration
        return piece

    def run_to_end(self) -> Result:
        """Generate to the end."""
        for _ in self:
            pass
        return self.result

    @DOOR
    def prefill(self, progress: Progress = ignore) -> None:
        """Compute the prompt's images and feed the prompt, if that was not done.

        Args:
            progress: called as `progress(done, total, unit)`, where the unit is "images" or "tokens".

        Raises:
            GenerationError: another call took the slot over, or the cache is too full for the compiled lengths.
            StepError: compiled code failed.
        """
        with self._alone():
            self._prefill(callers(progress))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Refuse a second reader."""
        if not self._reading.acquire(blocking=False):
            self._sequence.slot.check_open()  # in a forked child nobody goes on reading
            raise GenerationError("This stream is being read already; read it from one thread at a time.")
        try:
            yield
        finally:
            self._reading.release()

    def _prefill(self, progress: Progress = ignore) -> None:
        if self._prompt_logits is None:
            self._prompt_logits = self._feed_prompt(progress)

    def _feed_prompt(self, progress: Progress) -> Logits:
        prompt, timings = self._sequence.pending, self.result.timings
        timings.image_seconds += prompt.compute_embeddings(progress)
        start = time.perf_counter()
        try:
            return feed(self._runner, self._sequence.lease, prompt, progress)
        finally:
            timings.prompt_seconds += time.perf_counter() - start

    def _generate(self) -> Iterator[str]:
        self._prefill()
        logits, timings = self._prompt_logits, self.result.timings
        assert logits is not None  # `_prefill` has left them
        while not self._sequence.finished:
            start = time.perf_counter()
            piece = self._sequence.accept(logits)
            if not self._sequence.finished:
                logits = feed(self._runner, self._sequence.lease, self._sequence.pending)
            timings.decode_seconds += time.perf_counter() - start
            if piece:
                yield piece
