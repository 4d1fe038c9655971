"""The vision tower of Qwen2.5-VL through torch.compile, with all that follows from its grid as constants."""

import warnings

import pytest
import torch
from tests.tiny_vision_language import tiny_vision_language

from hf_checkpoint.vision_tower import find_tower
from tyllm import torch_edgex
from tyllm.llm.attention import segment_attention_name
from tyllm.llm.vision.vision_tower import TowerForGrid

GRID = (8, 12)


@pytest.mark.parametrize("dies", [1, 2])
def test_same_as_hugging_face_s(dies, tmp_path):
    visual = find_tower(tiny_vision_language("qwen2_5_vl").eval()).module
    patches = torch.randn(GRID[0] * GRID[1], 3 * 2 * 14 * 14, generator=torch.Generator().manual_seed(3))
    wanted = visual(patches, grid_thw=torch.tensor([[1, *GRID]])).pooler_output
    visual.config._attn_implementation = segment_attention_name()
    with warnings.catch_warnings():
        warnings.simplefilter("error", torch_edgex.FallbackWarning)
        found = torch.compile(TowerForGrid(visual, GRID), backend="edgex", options={"dies": dies})(patches)
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()  # float16 holds its weights
