"""Compiled modules give what eager torch gives, for every shape and for the weights of the moment."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from tests.tiny_vision_language import tiny_vision_language
from tests.tyllm.torch_edgex.blocks import (
    TOLERANCE,
    Attention,
    GatedMlp,
    ResNetBlock,
    VitBlock,
    compiled,
    error,
    folders,
    sample,
    wholly_compiled,
)
from torch import nn

from hf_checkpoint.vision_tower import find_tower
from tyllm import torch_edgex
from tyllm.llm.attention import segment_attention_name
from tyllm.llm.vision.vision_tower import TowerForGrid
from tyllm_base.errors import SettingError


@pytest.mark.parametrize("dies", [1, 2])
@pytest.mark.parametrize("kind", [ResNetBlock, GatedMlp, VitBlock, Attention])
def test_same_as_eager(kind, dies, tmp_path):
    module, x = sample(kind)
    found = wholly_compiled(module, x, dies=dies)
    assert error(found, module(x)) < TOLERANCE
    assert len(list(folders(tmp_path)[0].glob("edgex_die*.so"))) == dies


def test_each_shape_has_its_program(tmp_path):
    module, x = sample(GatedMlp)
    function = compiled(module)
    for rows in (5, 2, 3):
        assert error(function(x[:rows]), module(x[:rows])) < TOLERANCE
    assert len(folders(tmp_path)) == 3


def test_changed_weights_are_compiled_again(tmp_path):
    module, x = sample(GatedMlp)
    function = compiled(module)
    function(x)
    module.down.weight.mul_(2)
    assert error(function(x), module(x)) < TOLERANCE
    assert len(folders(tmp_path)) == 2


def test_indices_flags_and_several_results():
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(10, 32)

        def forward(self, tokens, keep):
            rows = self.table(tokens)
            return torch.where(keep[:, None], rows, 0.0), tokens + 1, keep

    module, tokens, keep = Table().eval(), torch.tensor([3, 9, 0, 3]), torch.tensor([True, False, True, True])
    found, wanted = compiled(module)(tokens, keep), module(tokens, keep)
    assert error(found[0], wanted[0]) < TOLERANCE
    assert torch.equal(found[1], wanted[1])
    assert torch.equal(found[2], wanted[2])


def test_training_runs_in_torch():
    module, x = sample(GatedMlp)
    with torch.enable_grad(), pytest.warns(torch_edgex.FallbackWarning, match="gradients are wanted"):
        compiled(module)(x).sum().backward()
    assert module.down.weight.grad is not None


def test_eager_mode_writes_nothing(tmp_path):
    module, x = sample(GatedMlp)
    assert torch.equal(compiled(module, exec_mode="EAGER")(x), module(x))
    assert not folders(tmp_path)


def test_an_unknown_option_is_refused():
    module, x = sample(GatedMlp)
    with pytest.raises(SettingError, match="no option 'dice'"):
        compiled(module, dice=2)(x)


OPERATORS = {
    "pools": lambda x: F.max_pool2d(x, 3, 2, 1) + F.avg_pool2d(x, 3, 2, 1),
    "pieces": lambda x: torch.cat([piece * k for k, piece in enumerate(x.split([1, 2, 1], 1))], 1).softmax(1)[:, 1],
    "reductions": lambda x: x.sum((1, 3)) / x.mean(3, keepdim=True).exp().sum((1, 3)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name):
    torch.manual_seed(2)
    function, x = OPERATORS[name], torch.randn(2, 4, 6, 10)
    found = wholly_compiled(function, x)
    assert found.shape == function(x).shape
    assert error(found, function(x)) < TOLERANCE


@pytest.mark.parametrize("dies", [1, 2])
def test_a_vision_tower_as_one_graph(dies, tmp_path):
    visual = find_tower(tiny_vision_language("qwen2_5_vl").eval()).module
    patches = torch.randn(8 * 12, 3 * 2 * 14 * 14, generator=torch.Generator().manual_seed(3))
    wanted = visual(patches, grid_thw=torch.tensor([[1, 8, 12]])).pooler_output
    visual.config._attn_implementation = segment_attention_name()
    with warnings.catch_warnings():
        warnings.simplefilter("error", torch_edgex.FallbackWarning)
        found = torch.compile(TowerForGrid(visual, (8, 12)), backend="edgex", options={"dies": dies})(patches)
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()  # float16 holds its weights
