"""What came of each model type of transformers, tried with a tiny random model: the table that the sweep writes.

`make test-families FAMILIES=--document` writes it, as model_types.json beside this file and as docs/models.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("model_types.json")
WORKS, REFUSED, UNKNOWN = "works", "refused", "unknown"


@dataclass(frozen=True)
class ModelType:
    """One model type.

    Attributes:
        model_type: as config.json names it.
        architecture: as config.json names it; "" where no tiny model could be made.
        state: "works" (logits as transformers', on 1 and 3 dies), "refused" by `tyllm compile`, or "unknown".
        reason: the refusal's sentence, or why nothing is known; where it works "" or what of it does not.
    """

    model_type: str
    architecture: str
    state: str
    reason: str


@cache
def model_types() -> tuple[ModelType, ...]:
    """The table, in the order of the types' names."""
    return tuple(ModelType(name, **row) for name, row in json.loads(TABLE.read_text(encoding="utf-8")).items())


def by_reason(rows: Iterable[ModelType]) -> dict[str, list[str]]:
    """Reason → model types, most types first; the architecture's name is "The model", so that equal ones meet."""
    found: dict[str, list[str]] = {}
    for row in rows:
        reason = row.reason.replace(row.architecture, "The model") if row.architecture else row.reason
        found.setdefault(reason, []).append(row.model_type)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))
