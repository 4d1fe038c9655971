"""The tables show medians with ranges, shares and margins that can be checked by hand."""

import re

import pytest
from baselines.inference import table
from baselines.inference.samples import Metric
from baselines.inference.shapes import SHAPES


def row(text, name):
    """The cells of the row that starts with `name`."""
    found = re.search(rf"^\| {re.escape(name)} \| (.+) \|$", text, re.MULTILINE)
    return found[1].split(" | ")


@pytest.fixture
def shape():
    return SHAPES[0]


def test_a_cell_is_the_median_with_its_range(small_run, shape):
    prompts, _, sizes = table.figures_tables(small_run, shape)
    assert row(prompts, "TyLLM int4 g128")[0] == "700 (600–800)"
    assert row(sizes, "OpenVINO GenAI int4 g128")[-1] == "–"  # its size is not known


def test_only_what_was_measured_has_a_column(small_run, shape):
    prompts, decoding, _ = table.figures_tables(small_run, shape)
    assert (row(prompts, "engine"), row(decoding, "engine")) == (["pp96", "pp512"], ["tg@96", "tg@512"])
    small_run.samples = [sample for sample in small_run.samples if sample.prompt == 96]
    prompts, _, others = table.figures_tables(small_run, shape)
    assert row(prompts, "engine") == ["pp96"]
    assert row(others, "engine")[0] == "start → first token, s"
    assert row(table.shares_table(small_run, shape), "share of the limit") == ["tg@96 of reading memory"]


def test_a_failed_engine_is_in_the_table_and_its_reason_below(small_run, shape):
    text = table.markdown(small_run)
    assert set(row(text, "ONNX Runtime GenAI int4 b128")) == {"failed"}
    assert "ONNX Runtime GenAI int4 b128 failed: out of luck" in text


def test_the_margin_is_over_the_best_of_the_others(small_run, shape):
    assert table.margin(small_run, shape, Metric("tg", 96)) == "**1.75×**"  # 70 / 40
    assert table.margin(small_run, shape, Metric("start")) == "**1.75×**"  # 2.5 s / 1.43 s: less is better
    assert table.margin(small_run, shape, Metric("pp", 4096)) == "–"


def test_shares_are_rate_times_work_over_the_limit(small_run, shape):
    text = table.shares_table(small_run, shape)
    decode, prompt = row(text, "TyLLM int4 g128")
    assert decode == f"{70 * shape.bytes_per_token() / 20e9:.0%}"
    assert prompt == f"{700 * shape.operations_per_token() / 1e12:.0%}"


def test_every_row_has_as_many_cells_as_the_heading(small_run):
    for block in table.markdown(small_run).split("\n\n"):
        assert len({line.count("|") for line in block.splitlines()}) == 1
