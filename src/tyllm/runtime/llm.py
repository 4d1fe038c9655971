"""Many prompts at once, offline: `LLM(path).generate(prompts)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hf_messages.messages import Message
from tyllm.progress_bar import progress_bar
from tyllm.runtime.generation.request_output import RequestOutput
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.offline_batch import OfflineBatch, params_for
from tyllm.runtime.prefix_files import load_prefixes, save_prefixes
from tyllm.runtime.prompt.prompt_input import ChatInput, PromptInput, PromptLike, chat_inputs, prompt_inputs
from tyllm.runtime.served_package import ServedPackage
from tyllm_base.doors import Door, callers
from tyllm_base.errors import PackageError
from tyllm_base.option_checks import refusal
from tyllm_base.progress import Progress, ignore

Params = SamplingParams | Sequence[SamplingParams] | None


class LLM(ServedPackage):
    """A package in memory that continues many prompts together, in the manner of vLLM's class of that name.

    May be used from several threads, whose requests run together. After a fork the child's copy refuses to run.
    """

    @Door(PackageError)
    def generate(
        self, prompts: PromptLike | Sequence[PromptLike], sampling_params: Params = None, *,
        timeout: float | None = None, progress: bool | Progress = True,
    ) -> list[RequestOutput]:  # fmt: skip
        """Continue each of `prompts`.

        Args:
            prompts: one or several: text, a list of token ids, embeddings float32 [n, H], or a dict with "prompt" or
                "prompt_token_ids", and with "images" and "videos" for their placeholders, as in `Session.generate`.
            sampling_params: one for all, or one for each; None for the defaults.
            timeout: seconds that a request may take; then it ends with what there is and finish_reason "timeout".
            progress: draw a bar on stderr, or call this function as `progress(done, total, "prompts")`.

        Returns:
            An output for each prompt, in their order. A request that goes wrong ends alone, with its `error` in its
            output, and a warning says so at the end.

        Raises:
            GenerationError: what is no prompt or no parameters; where not one request succeeds, what was wrong with
                the first, such as too long a prompt, or an image that cannot be used.
            StepError: likewise, where compiled code failed.
        """
        return self._run(prompt_inputs(prompts), sampling_params, timeout, progress)

    @Door(PackageError)
    def chat(
        self, messages: Sequence[Message] | Sequence[Sequence[Message]], sampling_params: Params = None, *,
        tools: Sequence[object] | None = None, template_options: Mapping[str, Any] | None = None,
        timeout: float | None = None, progress: bool | Progress = True,
    ) -> list[RequestOutput]:  # fmt: skip
        """Answer the last message of one conversation, or of each of several.

        Args:
            messages: one list of messages, or several, as `Session.chat` takes them, images and videos among them.
            sampling_params: as in `generate`.
            tools: function descriptions for templates that know them.
            template_options: more variables for the template, such as {"enable_thinking": False}.
            timeout: as in `generate`.
            progress: as in `generate`.

        Returns:
            As `generate`.

        Raises:
            GenerationError: as `generate`, or the template refuses the messages.
            PackageError: the package has no chat template.
        """
        return self._run(chat_inputs(messages, tools, template_options), sampling_params, timeout, progress)

    def _run(
        self, inputs: Sequence[PromptInput | ChatInput], params: Params, timeout: float | None,
        progress: bool | Progress,
    ) -> list[RequestOutput]:  # fmt: skip
        """All requests, with so many of them under way that the engine never waits for the next."""
        if not (callable(progress) or progress is None or isinstance(progress, bool)):
            raise refusal("progress", progress, "True, False, or a function of what is done, of how much, and of what")
        batch = OfflineBatch(self._engine, inputs, params_for(inputs, params), timeout)
        with progress_bar("generate") if progress is True else nullcontext(callers(progress or ignore)) as report:
            return batch.run(report)

    @Door(PackageError)
    def save_prefix_cache(self, folder: str | Path) -> int:
        """Write the prefixes that the caches hold to files of a folder, for `load_prefix_cache` of another process.

        Returns:
            How many tokens they have together. Whatever runs goes on meanwhile.

        Raises:
            OutputError: the folder cannot be written.
            GenerationError: it was closed.
        """
        return save_prefixes(self._engine, folder)

    @Door(PackageError)
    def load_prefix_cache(self, folder: str | Path) -> int:
        """Take prefixes from such a folder, the newest first, while slots and memory are empty.

        Returns:
            How many tokens they have together.

        Raises:
            GenerationError: there is no such folder, a file is damaged or belongs to another package, or it was closed.
        """
        return load_prefixes(self._engine, folder)

    def close(self) -> None:
        """End what is running with an error, stop the threads, free the memory; calling it twice is no mistake."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
