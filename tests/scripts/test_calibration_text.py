"""Every stretch of the calibration text has a bit of every kind, and our own passages stay."""

from calibration_text import OUTPUT, SOURCES, own, spread


def test_kinds_alternate():
    passages = [{"kind": kind, "source": "s", "text": str(i)} for kind in ("en", "zh", "code-c") for i in range(10)]
    found = spread(passages)
    assert sorted(map(str, found)) == sorted(map(str, passages))
    assert all(
        {passage["kind"] for passage in found[start : start + 12]} == {"en", "zh", "code-c"} for start in (0, 9, 18)
    )


def test_the_order_is_the_same_each_time():
    passages = [{"kind": "en", "source": "s", "text": str(i)} for i in range(10)]
    assert spread(passages) == spread(passages)


def test_our_own_passages_are_kept():
    assert OUTPUT.is_file()
    kept = list(own())
    assert kept and all(passage["source"] == "own" for passage in kept)


def test_every_source_names_files():
    assert all(source.files and source.kilobytes > 0 for source in SOURCES)
