"""A toy package of two dies whose program.json says what a real one does."""

import json

import pytest
from fake_package import Fake

from tyllm.package import open_package


def step(kernel, reads, bytes_read, operations):
    """A step of program.json."""
    cost = {"operations": operations, "bytes_read": bytes_read, "bytes_written": 0}
    return {"kernel": kernel, "reads": reads, "writes": [], "barrier_before": False, "cost": cost}


def program(seq_len):
    """A table of 1000 bytes, of which a row has 10; layers of 300 and of 200 bytes; attention that reads the cache."""
    products = {"int8": 600 * seq_len, "float32": 20 * seq_len}
    return {
        "body": [
            step("embedding", ["tokens", "table"], 10 * seq_len, {}),
            step("linear_w4a8", ["x", "weight"], 310, products),
            step("attention", ["x", "0.k", "0.v"], 9999, {"float32": 4096}),
        ],
        "head": [step("linear_w4a8", ["x", "head"], 210, {"int8": 400, "float32": 10})],
        "buffers": {
            name: {"place": place, "offset": 0, "bytes": count}
            for name, place, count in [
                ("tokens", "io", 8), ("x", "arena", 64), ("table", "params", 1000), ("weight", "params", 300),
                ("head", "params", 200), ("0.k", "kv", 9999), ("0.v", "kv", 9999),
            ]
        },
    }  # fmt: skip


@pytest.fixture
def benched(toy_library, tmp_path):
    """The folder; sequence lengths 1 and 8, a cache of 64 tokens."""
    fake = Fake(toy_library, dies=2)
    folder = fake.write(tmp_path / "toy")
    dies = [{"die": die, "programs": {str(n): program(n) for n in fake.seq_lens}} for die in range(2)]
    (folder / "program.json").write_text(json.dumps({"format_version": 1, "dies": dies}))
    fake.write_manifest(folder)
    return folder


@pytest.fixture
def opened(benched):
    return open_package(benched)
