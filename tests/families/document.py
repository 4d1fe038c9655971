"""The sweep's outcomes as a table: for `tyllm models` as JSON, for readers as docs/models.md."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.families.trial import CRASH, REFUSED, RIGHT, UNTRIED, WRONG, Outcome
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

from hf_checkpoint.families import FAMILIES
from hf_checkpoint.model_types import REFUSED as IS_REFUSED
from hf_checkpoint.model_types import UNKNOWN, WORKS, ModelType, by_reason

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "models.md"
STATES = {RIGHT: WORKS, REFUSED: IS_REFUSED, UNTRIED: UNKNOWN, CRASH: IS_REFUSED}
TITLES = {WORKS: "Right", IS_REFUSED: "Refused", UNKNOWN: "Not tried, for no tiny model of them could be made"}
IMAGES_UNREAD = set(MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES) - {each.model_type for each in FAMILIES if each.vision}
TEXT_ALONE = "For text alone: images are not supported."
LINE, LONGEST = 150, 400
"""Characters of a line of the document, and of a reason."""
HEAD = """\
# Model types

What `make test-families FAMILIES=--document` found with transformers {version}: of each of its causal and image-text
types a tiny model with random weights, compiled with float16 activations on 1 and 3 dies, 37 tokens in chunks, against
transformers in float32. It writes this file, and the table that `tyllm models` shows. Bold types are tested further, in
the form of published models (`../README.md`). `tyllm models CHECKPOINT` says whether a model of your own is taken: its
config may ask for what the tiny one does not.
"""


def table(outcomes: Iterable[Outcome]) -> list[ModelType]:
    """The rows, in the order of their names.

    Raises:
        ValueError: one is wrong, for which there is no row.
    """
    rows = []
    for outcome in sorted(outcomes, key=lambda each: each.model_type):
        if outcome.result == WRONG:
            raise ValueError(f"{outcome.model_type} is wrong ({outcome.reason}); refuse it or make it right.")
        reason = f"An internal error: {outcome.reason}" if outcome.result == CRASH else outcome.reason
        if outcome.result == RIGHT and outcome.model_type in IMAGES_UNREAD:
            reason = TEXT_ALONE
        reason = textwrap.shorten(reason, LONGEST, placeholder=" …")
        rows.append(ModelType(outcome.model_type, outcome.architecture, STATES[outcome.result], reason))
    return rows


def written(rows: Sequence[ModelType]) -> str:
    """model_types.json."""
    fields = {
        row.model_type: {name: value for name, value in asdict(row).items() if name != "model_type"} for row in rows
    }
    return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"


def markdown(rows: Sequence[ModelType], version: str) -> str:
    """docs/models.md: the types that work, then those that are refused or unknown, by their reasons."""
    parts = [HEAD.format(version=version)]
    for state, title in TITLES.items():
        chosen = [row for row in rows if row.state == state]
        parts.append(f"## {title} ({len(chosen)})\n")
        plain = [row for row in chosen if not row.reason]
        parts += _works(plain) if plain else []
        parts += [_item(*item) for item in by_reason(row for row in chosen if row.reason).items()]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _works(rows: Sequence[ModelType]) -> list[str]:
    tested = {family.model_type for family in FAMILIES if not family.is_tiny}
    names = ", ".join(f"**{row.model_type}**" if row.model_type in tested else row.model_type for row in rows)
    return [_lines(names), ""]


def _item(reason: str, types: Sequence[str]) -> str:
    return _lines(f"- {', '.join(types)}: {reason.replace('`', '')}", "  ")


def _lines(text: str, indent: str = "") -> str:
    return textwrap.fill(text, LINE, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
