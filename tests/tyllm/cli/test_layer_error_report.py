"""Reports as files."""

import json
from xml.etree import ElementTree

import pytest

from tyllm.cli.layer_error_report import as_json, as_markdown, as_svg, write_report
from tyllm_base.errors import OutputError

LINEARS = [
    {"name": "layers.0.q<proj>", "bits": 4, "weights": 65_536, "error": 0.01},
    {"name": "layers.1.q", "bits": 8, "weights": 1_000_000, "error": 0.04},
]
REPORT = {"measure": "outputs", "linears": LINEARS, "layers": [0.001, 0.002]}


def test_markdown_has_the_largest_error_first():
    lines = as_markdown(REPORT).splitlines()
    assert lines[2:4] == ["| layers.1.q | 8 | 1,000,000 | 4.000e-02 |", "| layers.0.q<proj> | 4 | 65,536 | 1.000e-02 |"]
    assert "| 1 | 2.000e-03 |" in lines
    vision = as_markdown(REPORT | {"vision": [LINEARS[0] | {"name": "visual.merger"}]})
    assert "| visual.merger |" in vision and "In the vision tower it is a share of its weights." in vision
    assert "stream" not in as_markdown(REPORT | {"layers": []})


def test_the_image_has_a_bar_for_each():
    root = ElementTree.fromstring(as_svg(REPORT))
    bars = [each for each in root if each.tag.endswith("rect")][1:]
    widths = [float(bar.get("width")) for bar in bars]
    assert widths[1] == pytest.approx(2 * widths[0]) and widths[3] == pytest.approx(4 * widths[2], abs=0.2)
    assert widths[1] == widths[3] <= 960 - 330  # the longest of each panel
    assert "layers.0.q<proj> (4)" in [each.text for each in root]


def test_an_image_of_nothing():
    assert len(ElementTree.fromstring(as_svg({"measure": "outputs", "linears": [], "layers": []}))) == 1
    ElementTree.fromstring(as_svg(REPORT | {"linears": [LINEARS[0] | {"error": 0.0}]}))


@pytest.mark.parametrize(("ending", "writer"), [("json", as_json), ("md", as_markdown), ("svg", as_svg)])
def test_the_ending_chooses(tmp_path, ending, writer):
    write_report(tmp_path / f"report.{ending}", REPORT)
    assert (tmp_path / f"report.{ending}").read_text() == writer(REPORT)


def test_json_is_the_document():
    assert json.loads(as_json(REPORT)) == REPORT


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"Cannot write .*: a part of the path is a file"):
        write_report(tmp_path / "file" / "report.md", REPORT)
    write_report(tmp_path / "new" / "report.md", REPORT)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.md"]


def test_another_ending_is_refused(tyllm, tmp_path):
    outcome = tyllm("quantize", tmp_path, "--report", "report.pdf")
    assert outcome.code == 2
    assert "report.pdf is no .json, .md, .svg file" in outcome.err
