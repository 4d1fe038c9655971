"""Compiled modules give what eager torch gives; what cannot be compiled falls back and says so."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from tests.tyllm.torch_edgex.blocks import Attention, GatedMlp, ResNetBlock, VitBlock, sample
from torch import nn

from tyllm import torch_edgex
from tyllm.errors import OutputError, SettingError

TOLERANCE = 1e-3
"""Of the largest value: weights of linear layers and convolutions are rounded to float16."""


def error(found, wanted):
    return ((found - wanted).abs().max() / wanted.abs().max()).item()


def compiled(module, **options):
    return torch.compile(module, backend="edgex", options=options)


def folders(tmp_path):
    return sorted(path for path in tmp_path.iterdir() if path.is_dir())


@pytest.mark.parametrize("dies", [1, 2])
@pytest.mark.parametrize("kind", [ResNetBlock, GatedMlp, VitBlock, Attention])
def test_same_as_eager(kind, dies, tmp_path):
    module, x = sample(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error", torch_edgex.FallbackWarning)
        found = compiled(module, dies=dies)(x)
    assert error(found, module(x)) < TOLERANCE
    assert len(list(folders(tmp_path)[0].glob("edgex_die*.so"))) == dies


@pytest.mark.parametrize("kind", [GatedMlp, VitBlock, Attention])
def test_dies_hold_parts_of_the_weights(kind, tmp_path):
    module, x = sample(kind)
    for dies in (1, 2):
        torch._dynamo.reset()
        compiled(module, dies=dies, AOT_DIR=tmp_path / str(dies))(x)
    whole, part = (next((tmp_path / str(dies)).rglob("edgex_die0.params")).stat().st_size for dies in (1, 2))
    assert part < 0.75 * whole


def test_a_second_run_does_not_compile_again(tmp_path, monkeypatch):
    module, x = sample(GatedMlp)
    first = compiled(module)(x)
    torch._dynamo.reset()
    monkeypatch.setattr("tyllm.torch_edgex.build._build", lambda *_: pytest.fail("compiled again"))
    assert torch.equal(compiled(module)(x), first)


def test_a_damaged_module_is_compiled_again(tmp_path):
    module, x = sample(GatedMlp)
    first = compiled(module)(x)
    params = folders(tmp_path)[0] / "edgex_die0.params"
    params.write_bytes(params.read_bytes()[:-8] + b"damaged!")
    torch._dynamo.reset()
    assert torch.equal(compiled(module)(x), first)


def test_changed_weights_are_compiled_again(tmp_path):
    module, x = sample(GatedMlp)
    function = compiled(module)
    function(x)
    module.down.weight.mul_(2)
    assert error(function(x), module(x)) < TOLERANCE
    assert len(folders(tmp_path)) == 2


def test_each_shape_has_its_program(tmp_path):
    module, x = sample(GatedMlp)
    function = compiled(module)
    for rows in (5, 2, 3):
        assert error(function(x[:rows]), module(x[:rows])) < TOLERANCE
    assert len(folders(tmp_path)) == 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_computes_in_float32(dtype):
    module, x = sample(GatedMlp)
    wanted = module.to(dtype).float()(x.to(dtype).float())
    found = compiled(module.to(dtype))(x.to(dtype))
    assert found.dtype == dtype
    assert error(found.float(), wanted) < 1e-3 + torch.finfo(dtype).eps


def test_an_unknown_operator_runs_in_torch_and_is_named(tmp_path):
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x):
            return self.last(torch.linalg.inv(self.first(x) + 9 * torch.eye(8)))

    torch.manual_seed(0)
    module, x = Mixed().eval(), torch.randn(8, 8)
    with pytest.warns(
        torch_edgex.FallbackWarning,
        match=r"Of forward \(test_backend.py, line \d+\), aten.linalg_inv.default cannot be compiled",
    ):
        found = compiled(module)(x)
    assert error(found, module(x)) < 2e-3
    assert folders(tmp_path)[0].joinpath("edgex_die0.so").is_file()  # the linear layers are compiled


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


def test_what_the_module_writes_is_written():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("total", torch.zeros(16))

        def forward(self, x):
            self.total.add_(F.gelu(x).sum(0))
            return self.total * 2

    module, x = Counter().eval(), torch.randn(3, 16)
    function = compiled(module)
    for calls in (1, 2):
        found = function(x)
        assert torch.allclose(module.total, calls * F.gelu(x).sum(0), atol=1e-5)
        assert torch.allclose(found, 2 * module.total, atol=1e-5)


def test_training_runs_in_torch():
    module, x = sample(GatedMlp)
    with torch.enable_grad(), pytest.warns(torch_edgex.FallbackWarning, match="gradients are wanted"):
        compiled(module)(x).sum().backward()
    assert module.down.weight.grad is not None


def test_trace_only_compiles_and_returns_zeros(tmp_path):
    module, x = sample(GatedMlp)
    torch_edgex.edgex_module.set_trace_only_mode(True)
    found = compiled(module)(x)
    assert found.shape == x.shape
    assert not found.any()
    assert folders(tmp_path)[0].joinpath("edgex_die0.so").is_file()


def test_eager_mode_writes_nothing(tmp_path):
    module, x = sample(GatedMlp)
    assert torch.equal(compiled(module, exec_mode="EAGER")(x), module(x))
    assert not folders(tmp_path)


def test_an_unknown_option_is_refused():
    module, x = sample(GatedMlp)
    with pytest.raises(SettingError, match="no option 'dice'"):
        compiled(module, dice=2)(x)


def test_a_file_in_the_folder_s_place(tmp_path):
    module, x = sample(GatedMlp)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"Cannot write .*a part of the path is a file"):
        compiled(module, AOT_DIR=tmp_path / "file" / "deep")(x)


def test_no_compiler(monkeypatch):
    from tyllm.torch_edgex import build
    from tytvm import link
    from tytvm.errors import BuildError

    build._runtime.cache_clear()
    link.c_compiler.cache_clear()
    monkeypatch.setattr("tytvm.link.shutil.which", lambda name: None)
    monkeypatch.setattr("tytvm.link.find_spec", lambda name: None)
    module, x = sample(GatedMlp)
    with pytest.raises(BuildError, match=r"No C compiler .* install gcc or clang"):
        compiled(module)(x)
    link.c_compiler.cache_clear()


MASK = torch.tensor([[True, False, True], [True, True, True]])
OPERATORS = {
    "bool mask": lambda x: F.scaled_dot_product_attention(x[..., :2, :], x[..., :3, :], x[..., :3, :], attn_mask=MASK),
    "causal": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
    "layer norm": lambda x: F.layer_norm(x, (6, 10)),
    "group norm": lambda x: F.group_norm(x, 2, torch.arange(1.0, 5.0), torch.ones(4)),
    "glu": lambda x: F.glu(x, 1),
    "where": lambda x: torch.where(x > 0, x, -2.0) + torch.where(x > 1, 3.0, x),
    "strides": lambda x: F.conv2d(x, torch.linspace(-1, 1, 3 * 4 * 6).reshape(3, 4, 3, 2), stride=2, padding=(2, 1)),
    "dilation": lambda x: F.conv1d(x[0], torch.linspace(-1, 1, 5 * 6 * 3).reshape(5, 6, 3), dilation=2),
    "pools": lambda x: F.max_pool2d(x, 3, 2, 1) + F.avg_pool2d(x, 3, 2, 1),
    "pieces": lambda x: torch.cat([piece * k for k, piece in enumerate(x.split([1, 2, 1], 1))], 1).softmax(1)[:, 1],
    "reductions": lambda x: x.sum((1, 3)) / x.mean(3, keepdim=True).exp().sum((1, 3)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name):
    torch.manual_seed(2)
    function, x = OPERATORS[name], torch.randn(2, 4, 6, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error", torch_edgex.FallbackWarning)
        found = compiled(function)(x)
    assert found.shape == function(x).shape
    assert error(found, function(x)) < TOLERANCE
