"""The tables show medians with ranges, shares and margins that can be checked by hand."""

import re

import pytest


def row(text, name):
    """The cells of the row that starts with `name`."""
    found = re.search(rf"^\| {re.escape(name)} \| (.+) \|$", text, re.MULTILINE)
    return found[1].split(" | ")


@pytest.fixture
def shape(peers):
    return peers("shapes").SHAPES[0]


def test_a_cell_is_the_median_with_its_range(peers, small_run, shape):
    text = peers("table").figures_table(small_run, shape)
    assert row(text, "TyLLM int4 g128")[0] == "700 (600–800)"
    assert row(text, "OpenVINO GenAI int4 g128")[-1] == "–"  # its size is not known


def test_only_what_was_measured_has_a_column(peers, small_run, shape):
    columns = row(peers("table").figures_table(small_run, shape), "engine")
    assert columns[:4] == ["pp96", "pp512", "tg@96", "tg@512"]
    small_run.samples = [sample for sample in small_run.samples if sample.prompt == 96]
    assert row(peers("table").figures_table(small_run, shape), "engine")[:3] == [
        "pp96",
        "tg@96",
        "start → first token, s",
    ]
    assert row(peers("table").shares_table(small_run, shape), "share of the limit") == ["tg@96 of reading memory"]


def test_a_failed_engine_is_in_the_table_and_its_reason_below(peers, small_run, shape):
    text = peers("table").markdown(small_run)
    assert set(row(text, "ONNX Runtime GenAI int4 b128")) == {"failed"}
    assert "ONNX Runtime GenAI int4 b128 failed: out of luck" in text


def test_the_margin_is_over_the_best_of_the_others(peers, small_run, shape):
    table, metric = peers("table"), peers("samples").Metric
    assert table.margin(small_run, shape, metric("tg", 96)) == "**1.75×**"  # 70 / 40
    assert table.margin(small_run, shape, metric("start")) == "**1.75×**"  # 2.5 s / 1.43 s: less is better
    assert table.margin(small_run, shape, metric("pp", 4096)) == "–"


def test_shares_are_rate_times_work_over_the_limit(peers, small_run, shape):
    text = peers("table").shares_table(small_run, shape)
    decode, prompt = row(text, "TyLLM int4 g128")
    assert decode == f"{70 * shape.bytes_per_token() / 20e9:.0%}"
    assert prompt == f"{700 * shape.operations_per_token() / 1e12:.0%}"


def test_work_per_token_of_qwen2(shape):
    layer = 896 * 896 * 2 + 896 * 128 * 2 + 3 * 896 * 4864
    assert shape.body_weights() == 24 * layer
    assert shape.bytes_per_token() == (24 * layer + 896 * 151936) * 4.125 / 8


def test_three_digits_count(peers):
    assert [peers("table").digits(value) for value in (1234.5, 99.96, 12.34, 1.234, 0.456)] == [
        "1234", "100.0", "12.3", "1.23", "0.46",
    ]  # fmt: skip


def test_every_row_has_as_many_cells_as_the_heading(peers, small_run):
    for block in peers("table").markdown(small_run).split("\n\n"):
        assert len({line.count("|") for line in block.splitlines()}) == 1
