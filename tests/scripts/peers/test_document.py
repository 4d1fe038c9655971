"""Only what stands between the markers is replaced, and refreshing again changes nothing."""

import pytest


@pytest.fixture(params=["make bench", "make bench-vision"])
def command(request):
    return request.param


def test_the_part_between_the_markers_is_replaced(peers, command):
    document = peers("document")
    begin, end = document.markers(command)
    text = f"Before.\n\n{begin}\nold\n{end}\n\nAfter.\n"
    once = document.replaced(text, "new\n", command)
    assert once == f"Before.\n\n{begin}\n\nnew\n\n{end}\n\nAfter.\n"
    assert document.replaced(once, "new\n", command) == once


@pytest.mark.parametrize("text", ["nothing", "{0}", "{1} {0}", "{0} {1} {0} {1}"])
def test_missing_or_doubled_markers_are_refused(peers, command, text):
    document = peers("document")
    with pytest.raises(ValueError, match="once each"):
        document.replaced(text.format(*document.markers(command)), "new", command)


def test_the_project_s_document_has_the_markers(peers, command):
    document, places = peers("document"), peers("places")
    text = (places.ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert "new" in document.replaced(text, "new", command)
