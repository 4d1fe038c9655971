"""Only the part between the markers is replaced, and refreshing again changes nothing."""

import pytest
from baselines.harness.document import markers, refresh, replaced
from baselines.harness.paths import ROOT


@pytest.fixture(params=["make bench", "make bench-vision"])
def command(request):
    return request.param


def test_the_part_between_the_markers_is_replaced(command):
    begin, end = markers(command)
    text = f"Before.\n\n{begin}\nold\n{end}\n\nAfter.\n"
    once = replaced(text, "new\n", command)
    assert once == f"Before.\n\n{begin}\n\nnew\n\n{end}\n\nAfter.\n"
    assert replaced(once, "new\n", command) == once


@pytest.mark.parametrize("text", ["nothing", "{0}", "{1} {0}", "{0} {1} {0} {1}"])
def test_missing_or_doubled_markers_are_refused(command, text):
    with pytest.raises(ValueError, match="once each"):
        replaced(text.format(*markers(command)), "new", command)


def test_the_projects_document_has_the_markers(command):
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert "new" in replaced(text, "new", command)


def test_a_file_is_refreshed_in_place(tmp_path, command):
    document = tmp_path / "document.md"
    document.write_text("Text. " + "".join(markers(command)), encoding="utf-8")
    refresh(document, "figures", command)
    assert "figures" in document.read_text(encoding="utf-8")
