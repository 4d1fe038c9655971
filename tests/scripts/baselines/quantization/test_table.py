"""The table's figures are the outcomes', divided and subtracted as its headings say."""

from dataclasses import replace

import pytest
from baselines.quantization.outcomes import Outcome, QuantizationRun
from baselines.quantization.table import markdown


@pytest.fixture
def run():
    """The trained model with one tool and one failure, and a shape with one and two layers."""
    scores = {"perplexity": 24.5, "divergence": 0.0125, "agreement": 0.931}
    costs = {"cpu": 12.0, "process_cpu": 20.0, "wall": 31.0, "peak_rss": 500_000_000, "size": 5_250_000}
    awq = Outcome("quality", "tyllm-7m", 6, "awq", **costs, **scores)
    one = Outcome("speed", "hidden-512", 1, "awq", **costs)
    return QuantizationRun(when="2026-01-02", machine="A processor", settings={"samples": 16}, samples=[
        Outcome("quality", "tyllm-7m", 6, "float", perplexity=24.0, divergence=0.0, agreement=1.0),
        awq,
        Outcome("quality", "tyllm-7m", 6, "llmc-awq", error="no luck"),
        replace(awq, head=True, divergence=0.025),
        one,
        replace(one, layers=2, process_cpu=27.5, wall=35.25, peak_rss=600_000_000),
    ])  # fmt: skip


def rows(text, title):
    """The cells of the rows under a heading that starts with `title`, the column headings left out."""
    (section,) = (part for part in text.split("### ")[1:] if part.startswith(title))
    table = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1:]]


def test_quality_is_told_apart_by_the_head(run):
    text = markdown(run)
    without = rows(text, "tyllm-7m, output projection left")
    assert without[0][:4] == ["float16 checkpoint", "24.000", "0.00000", "100.0%"]
    assert without[1] == ["TyLLM method=awq", "24.500", "0.01250", "93.1%", "2.00", "20.0", "31.0", "500", "5.2"]
    assert rows(text, "tyllm-7m, output projection quantized")[1][2] == "0.02500"


def test_a_layer_costs_the_difference(run):
    (row,) = rows(markdown(run), "hidden 512")
    assert row == ["TyLLM method=awq", "7.50", "4.25", "20.0", "600"]


def test_one_layer_count_gives_an_upper_bound(run):
    run.samples.pop()
    (row,) = rows(markdown(run), "hidden 512")
    assert row[1:3] == ["≤ 12.00", "≤ 31.00"]


def test_failures_are_told(run):
    text = markdown(run)
    assert "llm-compressor AWQ, patched failed: no luck" in text
    assert text.count("no luck") == 1
