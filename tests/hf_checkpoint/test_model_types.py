"""The sweep's table: each type works or says why not, and the document shows the same."""

import re
from pathlib import Path

from tests.families.document import markdown

from hf_checkpoint.families import FAMILIES
from hf_checkpoint.model_types import REFUSED, UNKNOWN, WORKS, ModelType, by_reason, model_types

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def test_each_type_works_or_has_a_reason():
    assert len(model_types()) > 200
    assert {row.state for row in model_types()} == {WORKS, REFUSED, UNKNOWN}
    assert all(row.state == WORKS or row.reason for row in model_types())


def test_every_tested_family_works():
    works = {row.model_type for row in model_types() if row.state == WORKS}
    assert {family.model_type for family in FAMILIES} <= works


def test_the_document_is_the_table():
    document = DOCUMENT.read_text(encoding="utf-8")
    version = re.search(r"with transformers ([\d.]+):", document).group(1)
    assert document == markdown(model_types(), version)


def test_equal_reasons_meet():
    rows = [ModelType(name, name.title(), REFUSED, f"{name.title()} is {what}.")
            for name, what in (("bart", "big"), ("bert", "small"), ("git", "small"))]  # fmt: skip
    assert by_reason(rows) == {"The model is small.": ["bert", "git"], "The model is big.": ["bart"]}
