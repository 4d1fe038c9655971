"""Loads a tokenizer.json, encodes and decodes: the task of an isolated process, which imports tokenizers alone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the stacks of its threads would count as memory
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import Tokenizer


def prepare(setup: bytes) -> Callable[[bytes], dict[str, Any]]:
    """The function that tries a text, for the tokenizer in the file whose path `setup` is.

    Its request is JSON: a text, or null for all added tokens as one. It answers {"bytes": of the text, "tokens": how
    many it became, "largest": of their ids, −1 of none, "spelled": length of the tokens as the vocabulary writes them,
    "decoded": length of the decoded text, "seconds": of processor time}, or {"refused": why, "seconds": …} for a text
    that the tokenizer has no tokens for. Raises whatever the library raises at loading, and its panics at any time.
    """
    tokenizer = Tokenizer.from_file(os.fsdecode(setup))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def attempt(request: bytes) -> dict[str, Any]:
        started = time.process_time()
        try:
            found = _measured(tokenizer, json.loads(request))
        except Exception as error:  # no panic: those are no Exception
            found = {"refused": str(error)[:500]}
        return {**found, "seconds": time.process_time() - started}

    return attempt


def _measured(tokenizer: Tokenizer, text: str | None) -> dict[str, Any]:
    if text is None:
        text = "".join(token.content for token in tokenizer.get_added_tokens_decoder().values())
    ids = tokenizer.encode(text).ids
    spelled = sum(len(tokenizer.id_to_token(token) or "") for token in ids)
    decoded = tokenizer.decode(ids, skip_special_tokens=False)
    return {
        "bytes": len(text.encode()), "tokens": len(ids), "largest": max(ids, default=-1), "spelled": spelled,
        "decoded": len(decoded),
    }  # fmt: skip
