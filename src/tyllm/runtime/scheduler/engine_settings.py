"""What decides how many requests share an engine, and how much memory their caches take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyllm_base.errors import SettingError
from tyllm_base.option_checks import is_whole, shown


@dataclass(frozen=True)
class EngineSettings:
    """Settings of `LLM` and `AsyncLLM`.

    Attributes:
        max_num_seqs: sequences that run at a time; more wait.
        kv_cache_memory: that the caches of all may take together, cached prefixes included: bytes, a text such as
            "4GiB", or None for 60% of the memory that the machine and its control groups have available.
        max_batched_tokens: tokens in one step at most, decoding sequences and parts of prompts together; None for what
            the package's programs take.
        prompt_lookup_num_tokens: tokens at most that are drafted from what followed the last ones before, and verified
            in one step; 0 for none.
        draft_model: the folder of a second, smaller package that drafts tokens; None for none.
        num_draft_tokens: that it drafts at a time, at most.
        enable_prefix_caching: let requests go on from what the caches hold of their prompts' beginnings.
    """

    max_num_seqs: int = 16
    kv_cache_memory: int | str | None = None
    max_batched_tokens: int | None = None
    enable_prefix_caching: bool = True
    prompt_lookup_num_tokens: int = 0
    draft_model: str | Path | None = None
    num_draft_tokens: int = 5

    def __post_init__(self) -> None:
        """Raise `SettingError` for a value that cannot work."""
        for name in ("max_num_seqs", "max_batched_tokens", "num_draft_tokens"):
            value = getattr(self, name)
            if value is None and name == "max_batched_tokens":
                continue
            if not is_whole(value) or value < 1:
                raise SettingError(f"{name} is {shown(value)}; give a whole number, 1 or more.")
            object.__setattr__(self, name, int(value))
        drafted = self.prompt_lookup_num_tokens
        if not is_whole(drafted) or drafted < 0:
            raise SettingError(f"prompt_lookup_num_tokens is {shown(drafted)}; give 0 (off) or a whole number.")
        object.__setattr__(self, "prompt_lookup_num_tokens", int(drafted))
        if self.draft_model is not None and drafted:
            raise SettingError(
                f"draft_model and prompt_lookup_num_tokens={shown(drafted)} are both given, and one of them drafts; "
                "leave the other out."
            )
        if not isinstance(self.enable_prefix_caching, bool):
            raise SettingError(f"enable_prefix_caching is {shown(self.enable_prefix_caching)}; give True or False.")

    @property
    def drafts(self) -> int:
        """Tokens that are drafted at a time, at most."""
        return self.prompt_lookup_num_tokens if self.draft_model is None else self.num_draft_tokens

    @property
    def slots(self) -> int:
        """Slots of the KV cache: one for each sequence that runs, and as many for cached prefixes."""
        return self.max_num_seqs * (2 if self.enable_prefix_caching else 1)
