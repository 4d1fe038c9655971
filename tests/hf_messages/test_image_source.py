"""A path, an address or bytes: the file that is meant, and its name for messages."""

from pathlib import Path

import pytest

from hf_messages.image_source import file_of, is_path, local_path, name_of, shortened
from tyllm_base.errors import ImageError


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("file:///a%20b/x.png", "/a b/x.png"),
        ("file://localhost/a/x.png", "/a/x.png"),
        ("file://localhosts/x.png", "localhosts/x.png"),
        ("file://a.png", "a.png"),
        ("/a%20b/x.png", "/a%20b/x.png"),
        ("data:image/png;base64,AA==", "data:image/png;base64,AA=="),
        (Path("a.png"), Path("a.png")),
        (b"abc", b"abc"),
    ],
)
def test_the_path_of_an_address(source, path):
    assert local_path(source) == path


def test_what_is_a_path():
    assert is_path("a") and is_path(Path("a")) and is_path("file:///a")
    assert not is_path("data:,") and not is_path(b"a") and not is_path(7)


def test_the_name_is_that_of_the_file():
    assert name_of("file:///a/b%20c.png") == name_of("x/b c.png") == "b c.png"
    assert name_of(b"abc") == name_of("data:image/png;base64,AA==") == "The image"


def test_the_file_that_pillow_opens(tmp_path):
    path = tmp_path / "a b.png"
    path.write_bytes(b"abc")
    for source in (path, str(path), path.as_uri(), b"abc", "data:image/png;base64,YWJj"):
        with file_of(source) as file:
            assert file.read() == b"abc"
    with pytest.raises(ImageError, match=r"There is no image /no where\.png; check the path"):
        file_of("file:///no%20where.png")


@pytest.mark.parametrize("content", ["\ud800", "é", "a", "====", "%", "%zz"])
def test_a_data_url_whose_content_is_no_base64(content):
    with pytest.raises(ImageError, match=r"content is not base64 \(.*\); encode the file's bytes again\.$"):
        file_of(f"data:image/png;base64,{content}")


def test_long_texts_are_shortened():
    assert shortened("x" * 80) == "x" * 80
    assert len(shortened("x" * 81)) == 76
