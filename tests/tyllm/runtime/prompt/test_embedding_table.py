"""The embedding table is mapped, checked and looked up."""

from dataclasses import replace

import numpy as np
import pytest
from fake_package import embedding_table

from tyllm.package import open_package, write_params
from tyllm.runtime.prompt.embedding_table import EmbeddingTable
from tyllm_base.errors import GenerationError, PackageError


def test_rows(toy):
    rows = EmbeddingTable(open_package(toy(embedding_as_input=True))).look_up([3, 3, 250])
    assert rows.dtype == np.float32
    assert np.array_equal(rows, embedding_table()[[3, 3, 250]])


@pytest.mark.parametrize(
    ("name", "table", "found"),
    [
        ("other", embedding_table(), "has no tensor"),
        ("embedding", np.zeros((2, 2), np.float16), r"has shape \[2, 2\]"),
        ("embedding", embedding_table().view(np.int16), "of int16 instead of"),
    ],
)
def test_a_wrong_table(own_toy, name, table, found):
    package = replace(open_package(own_toy), files=own_toy)
    write_params(own_toy / "embedding.params", {name: table})
    with pytest.raises(PackageError, match=found):
        EmbeddingTable(package)


def test_a_closed_table(toy):
    table = EmbeddingTable(open_package(toy(embedding_as_input=True)))
    table.close()
    with pytest.raises(GenerationError, match="is closed"):
        table.look_up([3])
