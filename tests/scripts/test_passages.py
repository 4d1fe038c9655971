"""Documents become passages of whole paragraphs without markup, spread evenly over the source."""

from passages import Source, cut, from_html, plain


def test_passages_are_whole_paragraphs_of_about_a_step():
    paragraphs = ["a" * 40, "b" * 70, "c" * 500, "d" * 99, "e" * 20]
    assert list(cut(paragraphs, 100)) == [f"{'a' * 40}\n\n{'b' * 70}", f"{'d' * 99}\n\n{'e' * 20}"]


def test_a_page_is_its_text_from_the_first_heading_on():
    page = "<p>menu</p><h1>Title</h1><p>One &amp; two.</p><script>alert()</script><p>Three.</p>"
    assert from_html(page).split() == ["Title", "One", "&", "two.", "Three."]


def test_markup_that_is_not_for_readers_is_left_out(tmp_path):
    text = plain(tmp_path / "guide.md", "# Title\n\n<span class='x'>Text</span>\n\n{!> ../src/file.py!}\n")
    assert "Text" in text and "span" not in text and "file.py" not in text


def test_a_source_gives_its_share_from_all_over(tmp_path):
    words = [f"{number:03} " + "word " * 20 for number in range(100)]
    (tmp_path / "book.txt").write_text("BEGIN\n\n" + "\n\n".join(words) + "\n\nEND\n\nafter", encoding="utf-8")
    found = list(Source("en", 2, ("book.txt",), "BEGIN", "END").passages(tmp_path, 200))
    assert 1500 < sum(len(passage["text"]) for passage in found) < 3000
    assert {passage["kind"] for passage in found} == {"en"}
    numbers = [int(passage["text"].removeprefix("BEGIN\n\n")[:3]) for passage in found]
    assert numbers == sorted(numbers) and numbers[-1] > 80
    assert not any("after" in passage["text"] for passage in found)
