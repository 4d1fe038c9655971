"""Every form of the vision tower computes what Hugging Face's code does; windows are batched by their lengths."""

import pytest
import torch
from baselines.vision_tower import tower_forms
from transformers import Qwen2_5_VLConfig, Qwen2VLConfig

TOWERS = {
    "qwen2_5_vl": (Qwen2_5_VLConfig, {"hidden_size": 64, "out_hidden_size": 32, "fullatt_block_indexes": [1]}),
    "qwen2_vl": (Qwen2VLConfig, {"embed_dim": 64, "hidden_size": 32, "mlp_ratio": 2}),
}
GRID = 6, 10  # of merged tokens 3 × 5, in windows of 2 × 2 four sizes


@pytest.fixture(params=sorted(TOWERS))
def visual(request):
    """A tower of two layers, fresh at each call."""
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VisionTransformerPretrainedModel

    classes = {
        "qwen2_vl": Qwen2VisionTransformerPretrainedModel,
        "qwen2_5_vl": Qwen2_5_VisionTransformerPretrainedModel,
    }
    config_class, sizes = TOWERS[request.param]
    common = {"depth": 2, "num_heads": 2, "intermediate_size": 96, "window_size": 56}

    def make():
        torch.manual_seed(0)
        config = config_class(vision_config=common | sizes).vision_config
        config._attn_implementation = "sdpa"
        tower = classes[request.param](config).eval()
        for parameter in tower.parameters():
            parameter.data = torch.randn_like(parameter) / parameter.shape[-1] ** 0.5
        return tower

    return make


@pytest.mark.parametrize("form", ["windows-sdpa", "batched-sdpa", "batched-matmul", "masks-sdpa", "masks-matmul"])
def test_a_form_computes_what_hugging_face_does(visual, form):
    patches = torch.randn(GRID[0] * GRID[1], 1176, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = tower_forms.OwnTower(visual(), GRID)(patches)
        found = tower_forms.FormedTower(visual(), GRID, form)(patches)
    assert found.shape == (15, 32)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_windows_of_one_length_are_one_batch():
    index, lengths = tower_forms.by_length(torch.arange(7), [8, 4, 8, 8], unit=4)
    assert (index.tolist(), lengths) == ([0, 1, 3, 4, 5, 6, 2], [8, 8, 8, 4])
    batched = tower_forms.batches(lengths, whole_runs=True)
    assert [(each.start, each.count, each.length) for each in batched] == [(0, 3, 8), (24, 1, 4)]
    single = tower_forms.batches(lengths, whole_runs=False)
    assert [each.start for each in single] == [0, 8, 16, 24]


def test_a_mask_lets_a_window_see_itself_alone():
    mask = tower_forms.window_mask([2, 1])[0, 0]
    assert (mask == 0).tolist() == [[True, True, False], [True, True, False], [False, False, True]]
