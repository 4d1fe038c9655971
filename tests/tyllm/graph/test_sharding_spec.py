"""Where the units lie after a reshape."""

import pytest

from tyllm.graph.sharding_spec import ShardingSpec, spec_with_blocks


@pytest.mark.parametrize(
    ("shape", "before", "spec"),
    [
        ((7, 2, 48), 14, ShardingSpec(2)),
        ((7, 2, 48), 42, ShardingSpec(2, 3)),  # queries, keys and values
        ((7, 2, 3, 16), 42, ShardingSpec(3)),
        ((7, 4, 8), 14, ShardingSpec(1, 2)),  # heads of both rows of the batch
        ((7, 4, 1), 28, None),
    ],
)
def test_places(shape, before, spec):
    assert spec_with_blocks(shape, before) == spec
