"""A package opened to run: its engine, its tokenizer and template, its vision tower, and what makes prompts for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tyllm.package import Manifest, open_package
from tyllm.package.file_names import CONFIG, GENERATION_CONFIG
from tyllm.package.json_file import read_json_if_there
from tyllm.runtime.cache.positions import CountedPositions, MropePositions
from tyllm.runtime.cache.rope_table import RopeTable
from tyllm.runtime.cache.slot import CacheSlot
from tyllm.runtime.execute.engine import Engine
from tyllm.runtime.execute.threads import workers_per_die
from tyllm.runtime.generation.eos_tokens import eos_token_ids
from tyllm.runtime.generation.sampling_defaults import sampling_defaults
from tyllm.runtime.prompt.chat_template import ChatTemplate
from tyllm.runtime.prompt.embedding_table import EmbeddingTable
from tyllm.runtime.prompt.prompt_builder import PromptBuilder
from tyllm.runtime.prompt.tokenizer import Tokenizer, special_tokens
from tyllm.runtime.prompt.vision_tower import VisionTower
from tyllm.runtime.step.model_runner import ModelRunner
from tyllm.signing.signer import Signer
from tyllm_base.errors import SettingError
from tyllm_base.option_checks import shown


class Model:
    """What `Session`, `LLM` and `AsyncLLM` stand on; it knows nothing of sequences.

    Attributes:
        package: the opened package.
        engine: runs the language model.
        runner: makes steps of chunks.
        slots: the slots of the KV cache.
        vision_tower: None where the package was compiled from a text model.
        prompt_builder: makes prompts of text, messages and images.
    """

    def __init__(
        self, path: str | Path, threads: int | None, slots: int, *, pin: bool, signer: Signer | str | Path | None
    ) -> None:
        """Check the package, load it, start the threads; arguments and errors are those of `Session`."""
        if not isinstance(pin, bool):
            raise SettingError(f"pin is {shown(pin)}; give True or False.")
        self.package = open_package(path)
        if signer is not None:
            self._demand(Signer.of(signer))
        info = self.info
        workers = workers_per_die(threads, info.dies)
        self.engine = Engine(self.package, workers, slots, pin=pin, order=info.die_order or None)
        self._table = EmbeddingTable(self.package) if info.embedding_as_input else None
        self.runner = ModelRunner(self.engine, self._table)
        self._rope = RopeTable(self.package) if self.package.rope else None
        self.vision_tower = VisionTower(self.package, info.visual, threads, pin=pin) if info.visual else None
        self.prompt_builder = PromptBuilder(info, self.vision_tower, lambda: self.tokenizer, lambda: self.chat_template)
        self.slots = [self._new_slot(number) for number in range(slots)]

    def _demand(self, signer: Signer) -> None:
        try:
            signer.check(self.package.folder, self.info.files, self.package.fingerprint)
        except BaseException:
            self.package.close()
            raise

    @property
    def info(self) -> Manifest:
        """The manifest: architecture, dies, sequence lengths, cache size, what built it."""
        return self.package.manifest

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The package's tokenizer; raises `PackageError` where it has none."""
        return Tokenizer(self.package.files)

    @property
    def tokenizer_if_there(self) -> Tokenizer | None:
        """The package's tokenizer, if it has one."""
        return self.tokenizer if "tokenizer" in self.__dict__ or Tokenizer.is_in(self.package.files) else None

    @cached_property
    def chat_template(self) -> ChatTemplate:
        """The package's chat template; raises `PackageError` where it has none."""
        return ChatTemplate(self.package.files)

    @cached_property
    def generation_config(self) -> Mapping[str, Any]:
        """generation_config.json as the checkpoint's author wrote it; empty where there is none."""
        return read_json_if_there(self.package.files / GENERATION_CONFIG)

    @cached_property
    def eos_token_ids(self) -> tuple[int, ...]:
        """Tokens that end a text: of generation_config.json, or else of config.json; and the tokenizer's eos_token."""
        files, tokenizer = self.package.files, self.tokenizer_if_there
        text = special_tokens(files).get("eos_token")
        of_tokenizer = None if text is None or tokenizer is None else tokenizer.token_id(text)
        return eos_token_ids(self.generation_config, read_json_if_there(files / CONFIG), of_tokenizer)

    @cached_property
    def sampling_defaults(self) -> Mapping[str, float]:
        """Sampling parameters that hold where the caller says nothing: of generation_config.json."""
        return sampling_defaults(self.generation_config)

    def _new_slot(self, number: int) -> CacheSlot:
        positions = MropePositions(self._rope) if self._rope else CountedPositions()
        return CacheSlot(self.engine, number, positions)

    def close(self) -> None:
        """Stop the threads, unload the code, free the memory; calling it twice is no mistake."""
        self.engine.close()
        for part in (self.vision_tower, self._rope, self._table, self.__dict__.get("chat_template")):
            if part is not None:
                part.close()
        self.package.close()
