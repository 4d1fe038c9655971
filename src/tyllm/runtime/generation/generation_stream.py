"""The simplest scheduler: one sequence, its prompt fed in steps, then a token a step; its text comes as an iterator."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tyllm.runtime.generation.result import Result
from tyllm.runtime.generation.sequence import SequenceState
from tyllm.runtime.step.model_runner import Logits, ModelRunner
from tyllm.runtime.step.prefill import feed
from tyllm_base.doors import Door, callers
from tyllm_base.errors import PackageError
from tyllm_base.progress import Progress, ignore

DOOR = Door(PackageError)


class GenerationStream(Iterator[str]):
    """An iterator over pieces of text; `result` grows with it and is complete at its end.

    The prompt is fed when `prefill` is called or the first piece is asked for. It may be left at any piece.
    """

    def __init__(self, sequence: SequenceState, runner: ModelRunner) -> None:
        """Generate a sequence that has its slot."""
        self._sequence, self._runner = sequence, runner
        self._prompt_logits: Logits | None = None
        self._pieces = self._generate()

    @property
    def result(self) -> Result:
        """The tokens and the text so far."""
        return self._sequence.result

    def __next__(self) -> str:
        with DOOR:
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
        if self._prompt_logits is None:
            self._prompt_logits = self._feed_prompt(callers(progress))

    def _feed_prompt(self, progress: Progress) -> Logits:
        self._sequence.check_owner()
        prompt, timings = self._sequence.pending, self.result.timings
        timings.image_seconds += prompt.compute_embeddings(progress)
        start = time.perf_counter()
        try:
            return feed(self._runner, self._sequence.slot, prompt, progress, self._sequence.check_owner)
        finally:
            timings.prompt_seconds += time.perf_counter() - start

    def _generate(self) -> Iterator[str]:
        self.prefill()
        logits, timings = self._prompt_logits, self.result.timings
        assert logits is not None  # `prefill` has left them
        while not self._sequence.finished:
            start = time.perf_counter()
            piece = self._sequence.accept(logits)
            if not self._sequence.finished:
                self._sequence.check_owner()
                logits = feed(self._runner, self._sequence.slot, self._sequence.pending)
            timings.decode_seconds += time.perf_counter() - start
            if piece:
                yield piece
