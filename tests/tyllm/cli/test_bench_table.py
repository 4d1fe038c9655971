"""Results as a table for a person, as CSV and JSON for a program."""

import csv
import io
from pathlib import Path

from tyllm.bench.measure import Rates, Trial
from tyllm.bench.run import Row, Subject
from tyllm.bench.share import Share
from tyllm.cli.bench_table import as_csv, document, markdown

SUBJECT = Subject(Path("a/1die"), 3 << 20, 1, 2, "x86-64", {"read": 30e9, "int8": 1.2e12})
ROWS = [
    Row(SUBJECT, Trial("pp", 512, 0), Rates((100.0, 110.0)), Share("int8", 0.5)),
    Row(SUBJECT, Trial("tg", 128, 4096), Rates((20.0,)), None),
]


def test_a_table_with_the_limits_below():
    assert markdown(ROWS).splitlines() == [
        "| package |    size | dies | threads | test          |      tokens/s | share of limit |",
        "| ------- | ------: | ---: | ------: | ------------- | ------------: | -------------: |",
        "| a/1die  | 3.0 MiB |    1 |       2 | pp512         | 105.00 ± 7.07 |    50% of int8 |",
        "| a/1die  | 3.0 MiB |    1 |       2 | tg128 @ d4096 |  20.00 ± 0.00 |              – |",
        "",
        "Limits of x86-64, threads: 2; read 30.0 GB/s, int8 1200.0 Gop/s",
    ]


def test_csv():
    first, second = csv.DictReader(io.StringIO(as_csv(ROWS)))
    assert (first["test"], first["tokens_per_second"], first["share"], first["limit_read"]) == (
        "pp512", "105.0", "0.5", "30000000000.0",
    )  # fmt: skip
    assert (second["depth"], second["share"], second["limit_tile_int8"]) == ("4096", "", "")


def test_json():
    report = document(ROWS)
    assert report["results"][0]["samples"] == [100.0, 110.0]
    assert report["results"][1]["share_of"] is None
    assert report["limits"] == [{"target": "x86-64", "threads": 2, "read": 30e9, "int8": 1.2e12}]
