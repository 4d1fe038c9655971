"""A session: a package opened, and the doors to it: logits, generate, chat, score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, Unpack, overload

import numpy as np
import numpy.typing as npt

from hf_messages.messages import Message
from tyllm.package import Manifest, Package
from tyllm.runtime.generation.conversation import Conversation
from tyllm.runtime.generation.generation_stream import GenerationStream
from tyllm.runtime.generation.request import GenerateOptions, Request
from tyllm.runtime.generation.result import Result
from tyllm.runtime.generation.sequence import SequenceState
from tyllm.runtime.model import Model
from tyllm.runtime.prompt.chat_template import ChatTemplate
from tyllm.runtime.prompt.prompt import Embeddings, Prompt
from tyllm.runtime.prompt.prompt import token_ids as as_token_ids
from tyllm.runtime.prompt.prompt_builder import Given, no_images
from tyllm.runtime.prompt.tokenizer import Tokenizer
from tyllm.runtime.prompt.vision_tower import VisionTower
from tyllm.runtime.step.model_runner import Logits
from tyllm.signing.signer import Signer
from tyllm_base.doors import Door
from tyllm_base.errors import GenerationError, PackageError, SettingError
from tyllm_base.option_checks import flag, is_whole, shown


class Session:
    """A package in memory with its threads, for any number of conversations one step at a time.

    May be used from several threads: steps take turns, and a slot belongs to whoever used it last: what was under way
    there ends with a `GenerationError`. After a fork the child's copy refuses to run, since threads stay behind: open
    the session in the child. Ctrl-C during a step works when the step ends.
    """

    @Door(PackageError)
    def __init__(
        self, path: str | Path, threads: int | None = None, slots: int = 1, *,
        pin: bool = False, signer: Signer | str | Path | None = None,
    ) -> None:  # fmt: skip
        """Check the package, load it, start the threads.

        Args:
            path: the folder that `tyllm compile` made.
            threads: worker threads in all, divided over the dies with at least 1 each; None for the physical cores
                that this process may use, within its CPU quota.
            slots: conversations that are kept at a time, each with a KV cache that takes memory as it fills.
            pin: bind the threads to cores.
            signer: refuse a package that this one did not sign: the file of a public key or root certificate in PEM,
                or a `tyllm.signing.Signer`.

        Raises:
            PackageError: the package is damaged, incomplete, of another version or for another machine, or not signed
                by `signer`.
            SettingError: threads or slots below 1, or a signer's file that cannot be used.
            MissingExtraError: `signer` is given and the library that checks signatures is not installed.
        """
        if not is_whole(slots) or slots < 1:
            raise SettingError(f"{shown(slots)} slots hold no conversation; give 1 or more.")
        self._model = model = Model(path, threads, slots, pin=pin, signer=signer)
        self._package, self._engine, self._runner = model.package, model.engine, model.runner
        self.prompt_builder = model.prompt_builder
        self._conversations = [Conversation(slot, model.runner) for slot in model.slots]

    @property
    def info(self) -> Manifest:
        """The manifest: architecture, dies, sequence lengths, cache size, what built it."""
        return self._package.manifest

    @property
    def package(self) -> Package:
        """The opened package: its files as they were when they were checked, whatever lies in its folder by now."""
        return self._package

    @property
    def threads(self) -> int:
        """Worker threads in all."""
        return self._engine.workers * self.info.dies

    @property
    def tokenizer(self) -> Tokenizer:
        """The package's tokenizer; raises `PackageError` where it has none."""
        return self._model.tokenizer

    @property
    def chat_template(self) -> ChatTemplate:
        """The package's chat template; raises `PackageError` where it has none."""
        return self._model.chat_template

    @property
    def vision_tower(self) -> VisionTower:
        """The package's vision tower; raises `ImageError` where the package was compiled from a text model."""
        if self._model.vision_tower is None:
            raise no_images(self.info)
        return self._model.vision_tower

    @property
    def generation_config(self) -> Mapping[str, Any]:
        """generation_config.json as the checkpoint's author wrote it; empty where there is none."""
        return self._model.generation_config

    @property
    def eos_token_ids(self) -> tuple[int, ...]:
        """Tokens that end a text: of generation_config.json, or else of config.json; and the tokenizer's eos_token."""
        return self._model.eos_token_ids

    @property
    def sampling_defaults(self) -> Mapping[str, float]:
        """Sampling parameters that hold where the caller says nothing: of generation_config.json."""
        return self._model.sampling_defaults

    def conversation(self, slot: int = 0) -> Conversation:
        """The conversation of a slot: append, rewind, save, restore; raises `GenerationError`."""
        if not is_whole(slot) or not 0 <= slot < len(self._conversations):
            last = len(self._conversations) - 1
            raise GenerationError(f"There is no slot {shown(slot)}, this session has 0 to {last}.")
        return self._conversations[slot]

    @Door(PackageError)
    def logits(self, prompt: Prompt | Sequence[int] | Embeddings, slot: int = 0) -> Logits:
        """Logits float32 [V] after token ids, embeddings float32 [n, H] or a built prompt: a fresh conversation.

        Raises:
            GenerationError: no token, one outside the vocabulary, or more than the cache holds.
            SettingError: embeddings for a package that takes token ids.
        """
        return self.conversation(slot).begin(Prompt.of(prompt))

    @Door(PackageError)
    def score(self, token_ids: Sequence[int], slot: int = 0) -> npt.NDArray[np.float32]:
        """Log-probability of each token but the first given those before: float32 [n - 1].

        Perplexity is exp(-mean). Logits of all tokens take longer than those of the last one.

        Raises:
            GenerationError: fewer than two tokens, one outside the vocabulary, or more than the cache holds.
        """
        return self.conversation(slot).log_probs(as_token_ids(token_ids))

    @overload
    def generate(
        self, prompt: Given, *, stream: Literal[False] = False, **options: Unpack[GenerateOptions]
    ) -> Result: ...
    @overload
    def generate(
        self, prompt: Given, *, stream: Literal[True], **options: Unpack[GenerateOptions]
    ) -> GenerationStream: ...
    @overload
    def generate(
        self, prompt: Given, *, stream: bool, **options: Unpack[GenerateOptions]
    ) -> Result | GenerationStream: ...
    @Door(PackageError)
    def generate(
        self, prompt: Given, *, stream: bool = False, **options: Unpack[GenerateOptions]
    ) -> Result | GenerationStream:
        """Continue a prompt: text, token ids, or embeddings float32 [n, H] where the package takes them.

        Args:
            prompt: what to continue. Text is tokenized with the special tokens that the tokenizer adds. With `images`
                and `videos` it has a placeholder for each: <|vision_start|><|image_pad|><|vision_end|>.
            stream: return an iterator over pieces of text, with `.result` at its end, instead of the result.
            options: see `GenerateOptions` for each. Where none says how to pick tokens, generation_config.json does
                (`sampling_defaults`), or else the likeliest is taken; `temperature=0` is greedy always.

        Raises:
            GenerationError: too long a prompt, or an option that cannot work.
        """
        self._engine.check_open()
        flag("stream", stream)
        request = Request.of(options)
        made = self.prompt_builder.of(prompt, request.images, request.videos, request.image_fit)
        return self._start(made, request, stream)

    @overload
    def chat(
        self, messages: Sequence[Message], *, stream: Literal[False] = False,
        tools: Sequence[object] | None = None, template_options: Mapping[str, Any] | None = None,
        **options: Unpack[GenerateOptions],
    ) -> Result: ...  # fmt: skip
    @overload
    def chat(
        self, messages: Sequence[Message], *, stream: bool,
        tools: Sequence[object] | None = None, template_options: Mapping[str, Any] | None = None,
        **options: Unpack[GenerateOptions],
    ) -> Result | GenerationStream: ...  # fmt: skip
    @Door(PackageError)
    def chat(
        self, messages: Sequence[Message], *, stream: bool = False,
        tools: Sequence[object] | None = None, template_options: Mapping[str, Any] | None = None,
        **options: Unpack[GenerateOptions],
    ) -> Result | GenerationStream:  # fmt: skip
        """Answer the last of `messages`, feeding only what the slot's cache does not hold from the turns before.

        Args:
            messages: {"role": "system" | "user" | "assistant" | …, "content": text} in order. The content may be a
                list of parts: {"type": "text", "text": …}, {"type": "image", "image": …}, {"type": "image_url",
                "image_url": {"url": …}}, {"type": "video", "video": …, "fps": …}; `Request` says what images may be.
            stream: as in `generate`.
            tools: function descriptions for templates that know them.
            template_options: more variables for the template, such as {"enable_thinking": False}.
            options: as in `generate`.

        Raises:
            GenerationError: the template refuses the messages; as `generate`.
            PackageError: the package has no chat template.
        """
        self._engine.check_open()
        flag("stream", stream)
        options.setdefault("reuse", True)
        request = Request.of(options)
        images = request.images, request.videos, request.image_fit
        return self._start(self.prompt_builder.of_chat(messages, tools, template_options, *images), request, stream)

    def _start(self, prompt: Prompt, request: Request, stream: bool) -> Result | GenerationStream:
        slot = self.conversation(request.slot).slot
        params = request.params.with_defaults(self.sampling_defaults)
        sequence = SequenceState(prompt, params, self._model.tokenizer_if_there, self.eos_token_ids)
        sequence.take_slot(slot, self.info, reuse=request.reuse)
        generation = GenerationStream(sequence, self._runner)
        return generation if stream else generation.run_to_end()

    def close(self) -> None:
        """Stop the threads, unload the code, free the memory; calling it twice is no mistake."""
        self._model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
