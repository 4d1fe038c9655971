"""The chart is well-formed and its bars are as long as the figures say."""

from xml.etree import ElementTree

import pytest
from baselines.inference.chart import chart
from baselines.inference.samples import InferenceRun

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def drawing(small_run):
    return ElementTree.fromstring(chart(small_run))


def test_a_bar_for_each_engine_that_has_the_figure(drawing):
    bars = drawing.findall(f"{SVG}rect")[1:]  # the first is the background
    assert len(bars) == 2 * 4  # two engines; pp96, pp512, tg@96, tg@512


def test_lengths_are_in_proportion(drawing):
    ours, theirs = (float(bar.get("width")) for bar in drawing.findall(f"{SVG}rect")[1:3])
    assert ours / theirs == pytest.approx(70 / 40, rel=1e-3)


def test_nothing_leaves_the_drawing(drawing):
    width, height = float(drawing.get("width")), float(drawing.get("height"))
    for bar in drawing.findall(f"{SVG}rect"):
        assert float(bar.get("x", 0)) + float(bar.get("width")) <= width
        assert float(bar.get("y", 0)) + float(bar.get("height")) <= height
    assert all(float(line.get("x2")) < width for line in drawing.findall(f"{SVG}line"))


def test_an_empty_run_draws_nothing():
    empty = InferenceRun(when="2026-01-02", machine="A processor", threads=2)
    assert len(ElementTree.fromstring(chart(empty)).findall(f"{SVG}rect")) == 1
