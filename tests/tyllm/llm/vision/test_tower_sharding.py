"""Heads and inner channels of the vision tower are divided over dies, found in its graph; all else is whole."""

import re

import pytest
import torch

from hf_checkpoint.vision_tower import find_tower
from tyllm.build.tensor_parallel import IN, OUT
from tyllm.llm.vision.tower_sharding import TowerSharding
from tyllm_base.errors import SettingError

GRID = (4, 4)
OUTPUTS = re.compile(r"\.(attn\.qkv|mlp\.(gate_proj|up_proj|fc1)|merger\.mlp\.0)\.(weight|bias)$")
INPUTS = re.compile(r"\.(attn\.proj|mlp\.(down_proj|fc2)|merger\.mlp\.2)\.weight$")


@pytest.fixture
def tower(model):
    return find_tower(model)


@pytest.mark.parametrize("dies", [2, 3, 4])
def test_the_layers_that_are_cut(tower, dies):
    split = TowerSharding(tower, dies).split(GRID)
    for name, _ in tower.module.named_parameters(prefix=tower.name):
        axis = OUT if OUTPUTS.search(name) else IN if INPUTS.search(name) else None
        assert split.of(name).axis == axis, name


@pytest.mark.parametrize("dies", [2, 3, 4])
def test_heads_are_cut_alike_in_queries_keys_and_values(tower, dies):
    split = TowerSharding(tower, dies).split(GRID)
    width = tower.module.blocks[0].attn.head_dim
    fused, projection = (split.of(f"{tower.name}.blocks.0.attn.{name}.weight") for name in ("qkv", "proj"))
    assert (fused.blocks, fused.spans) == (3, projection.spans)
    assert all(edge % width == 0 for span in fused.spans for edge in span)
    sizes = [stop - start for start, stop in fused.spans]
    assert sum(sizes) == tower.module.config.num_heads * width
    assert max(sizes) - min(sizes) <= width


@pytest.mark.parametrize("dies", [2, 3, 4])
def test_a_die_computes_with_its_parts(tower, dies):
    sharding = TowerSharding(tower, dies)
    split = sharding.split(GRID)
    whole = {name: tuple(p.shape) for name, p in tower.module.named_parameters(prefix=tower.name)}
    for die in range(dies):
        capture = sharding.capture(GRID, die)
        for node in capture.graph_module.graph.find_nodes(op="placeholder"):
            name = capture.parameters.get(node.name)
            if name is not None and (shard := split.of(name)).axis is not None:
                assert node.meta["val"].shape[shard.axis] == shard.size(die)
        attention = capture.graph_module.graph.find_nodes(
            op="call_function", target=torch.ops.tytvm.segment_attention.default
        )
        held = split.of(f"{tower.name}.blocks.0.attn.proj.weight").size(die)
        assert {node.meta["val"].shape[2] * node.meta["val"].shape[3] for node in attention} == {held}
    assert {name: tuple(p.shape) for name, p in tower.module.named_parameters(prefix=tower.name)} == whole


def test_every_grid_is_cut_alike(tower):
    sharding = TowerSharding(tower, 3)
    assert sharding.split((4, 4)) == sharding.split((8, 12))


def test_one_die_holds_everything(tower):
    assert not TowerSharding(tower, 1).split(GRID).cuts


def test_more_dies_than_heads(tower):
    with pytest.raises(SettingError, match="vision tower's 6 heads do not split over 8 dies; use 6 or fewer"):
        TowerSharding(tower, 8)


def test_a_die_s_graph_is_its_own(tower):
    sharding = TowerSharding(tower, 2)
    first = sharding.capture(GRID, 0)
    constants = set(first.constants)
    first.constants.clear()
    assert set(sharding.capture(GRID, 1).constants) == constants
