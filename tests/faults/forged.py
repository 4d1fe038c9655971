"""Forged packages, all hashes made right: JSON values, parameters' headers, code of others, cut code.

Held: a sentence, or the answers of the package that was not forged, within 5 seconds. Where a forgery changes what only
the model's author can know (how colors are normalized, which token ends a text), any answer holds.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import defaultdict
from functools import cache
from pathlib import Path

from tests.faults import batch
from tests.faults.samples import fresh, package, vision_package, warm
from tests.faults.tally import Tally

RIGHT, OTHER, REFUSED = "right answers", "other answers", "refused"
LIMIT = 5.0
AUTHORS = {
    "preprocessor_config.json": (
        "min_pixels", "max_pixels", "size", "image_mean", "image_std", "rescale_factor", "resample",
        "do_rescale", "do_normalize",
    ),
    "generation_config.json": ("eos_token_id",),
    "config.json": ("eos_token_id", "text_config"),
}  # fmt: skip
"""Fields by file that are the author's to say: another value is another model."""
INSPECTED = ("program.json", ".params")
TEXT = "Hello, you two."


def forgeries_text(tally: Tally, count: int) -> None:
    """Packages of a language model."""
    _play(tally, count, package(), *([package(dies=1), package(seq_lens="1,8")] if count >= 100 else []))


def forgeries_vision(tally: Tally, count: int) -> None:
    """Packages of a vision-language model, asked about an image."""
    _play(tally, count, vision_package(), *([package(dies=1)] if count >= 100 else []))


def _play(tally: Tally, count: int, source: Path, *others: Path) -> None:
    """The files in turn, each with a forgery by chance."""
    from tests.forged_files import all_files, file_forgeries
    from tests.forgeries import forgeries

    warm()
    by_file: dict[str, list] = defaultdict(list)
    for forgery in (*forgeries(source), *file_forgeries(source, *others, seed=tally.seed)):
        by_file[forgery.file].append(forgery)
    for found in by_file.values():
        random.Random(tally.seed).shuffle(found)
    files = sorted(by_file, key=lambda file: random.Random(file).random())
    good = all_files(source)

    @cache
    def of_child(_pid: int) -> tuple[Path, object]:
        """A child's own copy, and what it answers."""
        own = shutil.copytree(source, fresh(f"{tally.row}-{os.getpid()}"))
        return own, answers(own)

    def one(number, chance):
        folder, right = of_child(os.getpid())
        found = by_file[files[number % len(files)]]
        forgery = found[number // len(files) % len(found)]
        try:
            forgery.apply(folder)
            return (
                str(forgery),
                *verdict(folder, right, free=is_authors(forgery), inspect=forgery.file.endswith(INSPECTED)),
            )
        finally:
            for file in (forgery.file, "manifest.json"):
                (folder / file).write_bytes(good[file])

    batch.play(tally, count, one, limit=LIMIT)


def is_authors(forgery) -> bool:
    """Whether a forgery changes what only the model's author can know."""
    place = getattr(forgery, "place", ())
    fields = AUTHORS.get(forgery.file, ())
    return any(key in fields for key in place) or (not place and forgery.file in ("preprocessor_config.json",))


def verdict(folder: Path, right: object, *, free: bool = False, inspect: bool = False) -> tuple[str, bool]:
    """How the use of a package ends, and whether that is as it should be.

    Args:
        folder: the package's.
        right: what it answered before it was forged.
        free: any answer holds.
        inspect: describe it, too, as `tyllm inspect` does, which reads what nothing else does.
    """
    from tyllm.cli.package_contents import contents
    from tyllm_base.errors import CheckpointError, InternalError, PackageError, TyllmError

    try:
        found = answers(folder)
        if inspect:
            contents(folder)
    except TyllmError as error:
        sentence = str(error)
        said = "\n" not in sentence and len(sentence) < 2000 and sentence.isprintable()
        is_ours = isinstance(error, PackageError | CheckpointError) and not isinstance(error, InternalError)
        return (REFUSED if said and is_ours else f"{type(error).__name__}: {sentence[:200]!r}"), said and is_ours
    return (RIGHT, True) if found == right else (OTHER, free)


def answers(folder: Path) -> object:
    """What a package answers: the logits of a prompt, the tokens of another, with an image where it sees."""
    import numpy as np
    from tests.tiny_vision_language import TOKENS

    from tyllm.runtime import Session

    with Session(folder, threads=2) as session:
        found = [session.logits([5, 6, 7]).tobytes()]
        found.append(session.generate([5, 6, 7, 8, 9], max_new_tokens=3).token_ids)
        if session.info.visual:
            names = ("vision_start_token_id", "image_token_id", "vision_end_token_id")
            prompt = [1, *(TOKENS[name] for name in names), 2]
            image = np.arange(56 * 56 * 3, dtype=np.uint8).reshape(56, 56, 3)
            found.append(session.generate(prompt, images=[image], max_new_tokens=3).token_ids)
        elif (folder / "tokenizer.json").is_file():
            found.append(session.tokenizer.encode(TEXT))
            found.append(session.tokenizer.decode([5, 6, 7]))
        return found
