"""A checkpoint's tokenizer tried out, before hours of work, where a crash harms no one.

The tokenizers library aborts the process or panics at some files, and others make it run for hours or fill the memory:
a normalizer that replaces each letter by a thousand, a forged table, a regular expression without end.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tyllm_base.errors import CheckpointError
from tyllm_base.isolated_process import MIB, Failure, IsolatedProcess, Limits, Refuse
from tyllm_base.regular_file import open_regular

TASK = Path(__file__).with_name("tokenizer_trial_task.py")
TOKENIZER = "tokenizer.json"
LARGEST_FILE = 128 * MIB  # the largest known ones have 50
LOADING = Limits(seconds=1.5, wall_seconds=8.0, memory=1024 * MIB, answer=MIB)
SECONDS_PER_MIB, MEMORY_PER_BYTE = 0.5, 64  # of the file, on top
TEXT_SECONDS, TEXT_WALL_SECONDS = 2.0, 8.0  # of processor time, and by the clock, for all texts together
TOKENS_PER_BYTE = 16  # Unicode's own normalization makes up to 11 of one, byte by byte
LETTERS_PER_LETTER = 64  # of decoded text, to one of the tokens' as the vocabulary writes them
PLAIN = "plain text"
TEXTS: dict[str, str | None] = {
    PLAIN: "The quick brown fox jumps over the lazy dog; it's 3.14 km, isn't it?\n\tdef f(x): return x ** 2\r\n",
    "an empty text": "",
    "Chinese, Japanese and Korean": "敏捷的棕色狐狸跳过了懒狗。いろはにほへと、ちりぬるを。다람쥐 헌 쳇바퀴에",
    "Arabic, Hindi and Russian": "نص حكيم له سر قاطع ﷺ ऋषियों को सताने वाले दुष्ट राक्षसों Съешь же ещё этих мягких булок",
    "emoji": "🙂👩‍👩‍👧‍👦🏳️‍🌈🇩🇪👍🏽" * 20,
    "combining marks": "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞" + "e\u0301\u0323" * 200,
    "control characters": "".join(map(chr, [*range(32), 127, 0x85, 0xA0, 0x200B, 0x2028, 0xFEFF, 0xFFFD, 0x10FFFF])),
    "all added tokens": None,
    "a word of 10,000 letters": "a" * 10_000,
    "a word of 10,000 letters and a mark": "a" * 10_000 + "!",
    "a word of 5,000 syllables": "ab" * 5_000 + "!",
    "10,000 spaces": " " * 10_000,
    "10,000 digits": "0123456789" * 1_000,
}


def try_tokenizer(folder: Path, config: Mapping[str, Any]) -> None:
    """Load the tokenizer.json in `folder`, if there is one, encode texts and decode them again.

    Args:
        folder: the checkpoint's.
        config: its config.json, whose vocab_size bounds the tokens of ordinary text.

    Raises:
        CheckpointError: it cannot be loaded, crashes, panics, goes beyond a limit, or gives tokens beyond the model's.
    """
    file = folder / TOKENIZER
    if not file.exists() and not file.is_symlink():
        return
    size = _size(file)
    if size > LARGEST_FILE:
        raise _refusal(file, f"it has {size / MIB:,.0f} MiB, more than the {LARGEST_FILE // MIB} that are read")
    loading = replace(
        LOADING,
        seconds=LOADING.seconds + SECONDS_PER_MIB * size / MIB,
        wall_seconds=LOADING.wall_seconds + 4 * SECONDS_PER_MIB * size / MIB,
        memory=LOADING.memory + MEMORY_PER_BYTE * size,
    )
    process = IsolatedProcess(TASK, os.fsencode(file.absolute()), loading)
    try:
        process.start(_refuser(file, "loading it"))
        _try_texts(process, file, loading, _vocabulary(config))
    finally:
        process.close()


def _size(file: Path) -> int:
    """Bytes of a regular file; a pipe, which a reader would wait for, a device or a link to nowhere is refused."""
    descriptor = open_regular(file, CheckpointError, "download it again")
    try:
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _try_texts(process: IsolatedProcess, file: Path, limits: Limits, vocabulary: int | None) -> None:
    """Each of `TEXTS`; a text that is refused with an error is fine, unless all are."""
    left, end, refused = TEXT_SECONDS, time.monotonic() + TEXT_WALL_SECONDS, []
    for name, text in TEXTS.items():
        refuse = _refuser(file, f"encoding {name}")
        found = process.call(
            json.dumps(text).encode(),
            refuse,
            replace(limits, seconds=max(left, 0.1), wall_seconds=max(end - time.monotonic(), 0.1)),
        )
        left -= found["seconds"]
        if "refused" in found:
            refused.append(found["refused"])
        else:
            _check_growth(file, name, found)
            if name == PLAIN and not found["tokens"]:
                raise _refusal(file, "it makes no token of plain text")
            _check_vocabulary(file, name, found["largest"], None if text is None else vocabulary)
    if len(refused) == len(TEXTS):
        raise _refusal(file, f"it encodes no text ({refused[0]})")


def _check_growth(file: Path, name: str, found: Mapping[str, int]) -> None:
    """Refuse a tokenizer that makes much of little."""
    if found["tokens"] > 64 + TOKENS_PER_BYTE * found["bytes"]:
        raise _refusal(file, f"it makes {found['tokens']:,} tokens of {found['bytes']:,} bytes ({name})")
    if found["decoded"] > 1024 + LETTERS_PER_LETTER * found["spelled"]:
        raise _refusal(file, f"it makes {found['decoded']:,} letters of {found['tokens']:,} tokens ({name})")


def _check_vocabulary(file: Path, name: str, largest: int, vocabulary: int | None) -> None:
    """Refuse tokens beyond the model's; added ones that no text has may be, as in Gemma 3's text models."""
    if vocabulary is not None and largest >= vocabulary:
        raise _refusal(file, f"it makes the token {largest} of {name}, but config.json has {vocabulary} (vocab_size)")


def _vocabulary(config: Mapping[str, Any]) -> int | None:
    """The model's number of tokens, where config.json says it."""
    text = config.get("text_config")
    found = text.get("vocab_size") if isinstance(text, Mapping) else None
    found = config.get("vocab_size") if found is None else found
    return found if isinstance(found, int) else None


def _refuser(file: Path, deed: str) -> Refuse:
    """Makes the error of a failure of the tokenizer's process."""

    def refuse(failure: Failure) -> CheckpointError:
        if failure.kind == "raised":
            return _refusal(file, f"{deed} fails ({failure.reason})")
        if failure.kind == "not started":
            return CheckpointError(
                f"{file} is tried in a process of its own, and the system started none ({failure.reason}); allow one "
                "more process."
            )
        return _refusal(file, f"{deed} {failure.reason}")

    return refuse


def _refusal(file: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"{file} is no tokenizer that can be used: {what}; download it again, or update the package tokenizers."
    )
