"""Where the units lie after a reshape."""

import pytest

from tyllm.graph.sharding_spec import Place, placed


@pytest.mark.parametrize(
    ("shape", "before", "place"),
    [
        ((7, 2, 48), 14, Place(2)),
        ((7, 2, 48), 42, Place(2, 3)),  # queries, keys and values
        ((7, 2, 3, 16), 42, Place(3)),
        ((7, 4, 8), 14, Place(1, 2)),  # heads of both rows of the batch
        ((7, 4, 1), 28, None),
    ],
)
def test_places(shape, before, place):
    assert placed(shape, before) == place
