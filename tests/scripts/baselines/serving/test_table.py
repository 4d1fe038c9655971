"""The tables show medians with ranges and margins that can be checked by hand."""

import re

import pytest
from baselines.inference.shapes import SHAPES
from baselines.serving.table import margin, markdown, rounds_of


def row(text, name):
    """The cells of the row that starts with `name`."""
    return re.search(rf"^\| {re.escape(name)} \| (.+) \|$", text, re.MULTILINE)[1].split(" | ")


@pytest.fixture
def text(small_run):
    return markdown(small_run)


def test_throughput_is_the_median_with_its_range(text):
    assert row(text, "TyLLM int4 g128") == ["70.0 (60.0–80.0)", "560 (480–640)"]


def test_the_margin_is_over_the_best_of_the_others(small_run):
    assert margin(small_run, SHAPES[0], 8) == "**1.75×**"  # 70 / 40
    assert margin(small_run, SHAPES[0], 16) == "–"


def test_waiting_times_are_medians(text):
    assert row(text, "OpenVINO GenAI int4 g128, 8") == ["500", "900", "25.0", "50.0"]


def test_an_engine_that_did_not_run_says_why(text):
    assert set(row(text, "vLLM AWQ int4 g128, bfloat16")) == {"not run"}
    assert "vLLM AWQ int4 g128, bfloat16, throughput, not run: Illegal instruction" in text


def test_where_nothing_ran_there_is_no_table_of_waiting_times(small_run):
    small_run.samples = [sample for sample in small_run.samples if sample.error]
    text = markdown(small_run)
    assert "milliseconds" not in text
    assert "not run: Illegal instruction" in text


def test_our_parts_have_a_table_with_gaps(text):
    assert row(text, "1 sequence") == ["10.0", "–"]
    assert row(text, "8 sequences") == ["20.0", "4.00"]


def test_what_was_measured_is_told(text):
    assert "Measured 2026-01-02 on A processor, 2 threads; TyLLM 2.0, openvino-genai 1.2." in text
    assert "128 random tokens" in text


def test_how_many_rounds_each_part_had_is_told(small_run):
    found = rounds_of(small_run)
    rounds = {sample.round for sample in small_run.samples if sample.part == "throughput"}
    assert f"throughput in {len(rounds)} round" in found
    assert "score" not in found


def test_lines_fit_into_a_document(text):
    assert max(len(line) for line in text.splitlines()) <= 150
