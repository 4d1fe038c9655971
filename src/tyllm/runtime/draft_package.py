"""A second package that drafts for another one: opened, and refused where it cannot."""

from __future__ import annotations

from pathlib import Path

from tyllm.runtime.cache.kv_memory import KvMemory
from tyllm.runtime.model import Model
from tyllm.runtime.scheduler.draft_model import DraftModel
from tyllm.runtime.scheduler.engine_settings import EngineSettings
from tyllm.runtime.scheduler.slot_pool import SlotPool
from tyllm.signing.signer import Signer
from tyllm_base.errors import SettingError

LEAST_ROWS = 2
"""Rows of a program that verifies a token with the next one."""


def open_draft(
    target: Model, threads: int | None, settings: EngineSettings, *, pin: bool, signer: Signer | str | Path | None
) -> Model | None:
    """Open the package that drafts for another; None where the settings name none.

    Raises:
        SettingError: it has another vocabulary or sees images, or the other package has no program that verifies
            drafts, whoever drafts.
        PackageError: as `Model`.
    """
    if settings.drafts and target.runner.max_batch_rows < LEAST_ROWS:
        option = "prompt_lookup_num_tokens" if settings.draft_model is None else "draft_model"
        raise SettingError(
            f"{target.package.folder} has no program for batches, which verifies what {option} drafts; compile it with "
            f"--batch-sizes 8, or leave {option} out."
        )
    if settings.draft_model is None:
        return None
    draft = Model(settings.draft_model, threads, settings.slots, pin=pin, signer=signer)
    try:
        _check(draft, target)
    except BaseException:
        draft.close()
        raise
    return draft


def draft_share(draft: Model, target: Model, budget: int) -> int:
    """The bytes for the slots of the draft model, so that both have room for as many tokens."""
    tokens = min(draft.info.max_kv_cache_size, target.info.max_kv_cache_size)
    own, other = (KvMemory(model.package.buffers).bytes_of(tokens) for model in (draft, target))
    return budget * own // (own + other)


def drafts_of(draft: Model, target: Model, budget: int) -> DraftModel:
    """What drafts for the scheduler, with so many bytes for its slots.

    Raises:
        SettingError: they hold no conversation.
    """
    memory = KvMemory(draft.package.buffers)
    if budget < (least := memory.bytes_of(1 + draft.runner.seq_lens[-1])):
        raise SettingError(
            f"The draft model's share of kv_cache_memory, {budget:,} bytes, holds no conversation, which takes "
            f"{least:,}; give more."
        )
    pool = SlotPool(draft.engine, draft.slots, memory, budget)
    return DraftModel(draft.runner, pool, target.info.vocab_size)


def _check(draft: Model, target: Model) -> None:
    """Raise `SettingError` for a package that cannot draft for another."""
    name = draft.package.folder
    if draft.info.visual is not None:
        raise SettingError(f"{name} sees images, and the draft_model only reads tokens; give one of a text model.")
    difference = _difference(draft, target)
    if difference is not None:
        raise SettingError(
            f"{name} cannot draft for {target.package.folder}: {difference}. Give a draft_model of the same family, "
            "compiled with the same tokenizer.json."
        )


def _difference(draft: Model, target: Model) -> str | None:
    """In which way two packages' vocabularies differ; None where each token is the same. Padding is no difference."""
    own, other = draft.tokenizer_if_there, target.tokenizer_if_there
    if own is None or other is None:
        if own is not other:
            return f"only {'the first' if other is None else 'the second'} has a tokenizer.json"
        sizes = draft.info.vocab_size, target.info.vocab_size
        return None if sizes[0] == sizes[1] else "they have {:,} and {:,} tokens".format(*sizes)
    if own.vocabulary == other.vocabulary:
        return None
    if len(own.vocabulary) != len(other.vocabulary):
        return f"its tokenizer has {len(own.vocabulary):,} tokens, and not {len(other.vocabulary):,}"
    text = min(dict(own.vocabulary.items() ^ other.vocabulary.items()))
    return f"the token {text!r:.60} has the ids {own.token_id(text)} and {other.token_id(text)}"
