"""A package whose requests run together: what `LLM` and `AsyncLLM` open, and say of it."""

from __future__ import annotations

from pathlib import Path

from tyllm.package import Manifest
from tyllm.runtime.prompt.tokenizer import Tokenizer
from tyllm.runtime.request_engine import RequestEngine
from tyllm.runtime.scheduler.engine_settings import EngineSettings
from tyllm.signing.signer import Signer
from tyllm_base.doors import Door
from tyllm_base.errors import PackageError


class ServedPackage:
    """A package in memory with its engine, which all requests share."""

    @Door(PackageError)
    def __init__(
        self, path: str | Path, threads: int | None = None, *, max_num_seqs: int = 16,
        kv_cache_memory: int | str | None = None, max_batched_tokens: int | None = None,
        enable_prefix_caching: bool = True, prompt_lookup_num_tokens: int = 0,
        draft_model: str | Path | None = None, num_draft_tokens: int = 5, pin: bool = False,
        signer: Signer | str | Path | None = None,
    ) -> None:  # fmt: skip
        """Check the package, load it, start the threads.

        Args:
            path: the folder that `tyllm compile` made.
            threads: worker threads in all, divided over the dies with at least 1 each; None for the physical cores
                that this process may use, within its CPU quota.
            max_num_seqs: sequences that run at a time; more wait for their turn.
            kv_cache_memory: that the KV caches of all may take, cached prefixes included: bytes, a text such as
                "4GiB", or None for 60% of the memory that the machine and its control groups have available.
            max_batched_tokens: tokens in a step at most while sequences decode; None for what the programs take.
            enable_prefix_caching: go on from what the caches hold of a prompt's beginning, whoever's it was.
            prompt_lookup_num_tokens: tokens at most that are drafted from what followed the last ones before, for texts
                that repeat their prompt; 0 for none. A package with batches verifies them in one step, and the text is
                the same. Fewer are drafted where they are wrong, and none for a while where all are.
            draft_model: the folder of a second, smaller package with the same tokenizer, which drafts in the same way;
                None for none. Its KV caches share `kv_cache_memory`, and `signer` must have signed it too.
            num_draft_tokens: that it drafts at a time, at most.
            pin: bind the threads to cores.
            signer: refuse a package that this one did not sign, as in `Session`.

        Raises:
            PackageError: a package is damaged, incomplete, of another version or for another machine, or not signed
                by `signer`.
            SettingError: a setting that cannot work, such as memory that holds no conversation, or a draft model with
                another vocabulary.
            MissingExtraError: `signer` is given and the library that checks signatures is not installed.
        """
        settings = EngineSettings(
            max_num_seqs, kv_cache_memory, max_batched_tokens, enable_prefix_caching, prompt_lookup_num_tokens,
            draft_model, num_draft_tokens,
        )  # fmt: skip
        self._engine = RequestEngine(path, threads, settings, pin=pin, signer=signer)

    @property
    def info(self) -> Manifest:
        """The manifest: architecture, dies, sequence lengths, cache size, what built it."""
        return self._engine.model.info

    @property
    def tokenizer(self) -> Tokenizer:
        """The package's tokenizer; raises `PackageError` where it has none."""
        return self._engine.model.tokenizer
