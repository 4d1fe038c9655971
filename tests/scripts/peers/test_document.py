"""Only what stands between the markers is replaced, and refreshing again changes nothing."""

import pytest


def test_the_part_between_the_markers_is_replaced(peers):
    document = peers("document")
    text = f"Before.\n\n{document.BEGIN}\nold\n{document.END}\n\nAfter.\n"
    once = document.replaced(text, "new\n")
    assert once == f"Before.\n\n{document.BEGIN}\n\nnew\n\n{document.END}\n\nAfter.\n"
    assert document.replaced(once, "new\n") == once


@pytest.mark.parametrize("text", ["nothing", "{0}", "{1} {0}", "{0} {1} {0} {1}"])
def test_missing_or_doubled_markers_are_refused(peers, text):
    document = peers("document")
    with pytest.raises(ValueError, match="once each"):
        document.replaced(text.format(document.BEGIN, document.END), "new")


def test_the_project_s_document_has_the_markers(peers):
    document, places = peers("document"), peers("places")
    assert "new" in document.replaced((places.ROOT / "docs" / "performance.md").read_text(encoding="utf-8"), "new")
