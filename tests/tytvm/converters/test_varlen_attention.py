"""Modules with varlen attention through the whole compiler give what torch gives, and views are read in place."""

import copy

import numpy as np
import pytest
import torch
from tests.tytvm.program_runner import Runner
from tests.tytvm.small_graph import Calculation, graph_of
from tests.tytvm.test_compile import stored
from torch.nn.functional import scaled_dot_product_attention

from tyllm_base.errors import UnsupportedError
from tytvm.compile import ProgramJob, compile_program
from tytvm.kernel_choice import Kernels
from tytvm.memory_layout import lay_out
from tytvm.target import resolve

TOKENS, HEADS, SIZE = 46, 2, 48
BOUNDS = [0, 20, 36, 46]


def rotate_half(x):
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), dim=-1)


class Block(torch.nn.Module):
    """Attention as Hugging Face's vision towers have it."""

    def __init__(self):
        super().__init__()
        self.qkv = torch.nn.Linear(64, 3 * HEADS * SIZE)
        self.proj = torch.nn.Linear(HEADS * SIZE, 64)
        self.register_buffer("angles", torch.randn(TOKENS, SIZE // 2), persistent=False)
        self.register_buffer("bounds", torch.tensor(BOUNDS, dtype=torch.int32), persistent=False)

    def forward(self, x):
        table = torch.cat((self.angles, self.angles), -1)
        cos, sin = table.cos().unsqueeze(-2).float(), table.sin().unsqueeze(-2).float()
        q, k, v = self.qkv(x).reshape(TOKENS, 3, HEADS, -1).permute(1, 0, 2, 3).unbind(0)
        q, k = (part * cos + rotate_half(part) * sin for part in (q.float(), k.float()))
        return self.proj(self.attend(*(part.transpose(0, 1).unsqueeze(0) for part in (q, k, v))))

    def attend(self, q, k, v):
        out = torch.ops.tytvm.segment_attention(q, k, v, self.bounds, SIZE**-0.5)
        return out.reshape(TOKENS, -1).contiguous()


class Plain(Block):
    """Attention as other vision models have it: qkv with heads before tokens, no positions, torch's own attention."""

    def forward(self, x):
        qkv = self.qkv(x).reshape(2, TOKENS // 2, 3, HEADS, SIZE).permute(2, 0, 3, 1, 4)
        out = scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        return self.proj(out.transpose(1, 2).reshape(TOKENS, HEADS * SIZE))


class Apart(Block):
    """Queries by token, half as many keys and values by head; positions for the queries alone."""

    def forward(self, x):
        q, kv = self.qkv(x).reshape(1, TOKENS, 3 * HEADS, SIZE).split([HEADS, 2 * HEADS], 2)
        table = torch.cat((self.angles, self.angles), -1)
        q = q[0] * table.cos().unsqueeze(1) + rotate_half(q[0]) * table.sin().unsqueeze(1)
        k, v = (part.transpose(1, 2).exp() for part in kv[:, :, ::2].chunk(2, 2))
        return self.proj(self.attend(q.transpose(0, 1).unsqueeze(0), k, v))


def compiled(module, folder, rounded, **inputs):
    """What the compiled module returns, and which kernels it calls."""
    weights = stored(module)
    expected = module(**inputs).detach().numpy()
    graph = graph_of_constants(copy.deepcopy(module), **inputs)
    specs = {f"{name}{suffix}": spec for name, own in graph.weights.items() for suffix, spec in own.tensors().items()}
    kernels = Kernels(resolve("native"), int8_activations=rounded)
    program = compile_program(ProgramJob(graph, kernels, lay_out(specs), lay_out({})))
    runner = Runner(program, kernels, folder, weights)
    for name, value in inputs.items():
        runner.view("io", name)[...] = value.numpy()
    runner.run("body", 2)
    return expected, runner.view("io", "out"), [step.kernel for step in program.body]


def graph_of_constants(module, **inputs):
    """The graph of a module whose buffers keep their values."""
    from dataclasses import replace

    buffers = {name: value.clone() for name, value in module.named_buffers()}
    graph = graph_of(module, **inputs)
    values = {f"b_{name}": value for name, value in buffers.items()}
    graph.capture.constants.update({name: values[name] for name in graph.capture.constants if name in values})
    return replace(graph, outputs=("out",), head_input=None)


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("kind", [Block, Plain, Apart])
def test_equals_torch(kind, rounded, tmp_path):
    torch.manual_seed(0)
    expected, got, _ = compiled(kind(), tmp_path, rounded, x=torch.randn(TOKENS, 64))
    np.testing.assert_allclose(got, expected, atol=2e-2 if rounded else 1e-4)


@pytest.mark.parametrize("kind", [Block, Plain])
def test_views_are_read_in_place(kind, tmp_path):
    _, _, called = compiled(kind(), tmp_path, True, x=torch.randn(TOKENS, 64))
    names = [name for name in called if not name.startswith(("linear", "bfloat16_tiles"))]
    assert [name.partition("_")[0] for name in names] == ["segment"] * 2, called


def test_bounds_that_are_computed_are_refused():
    def attend(q, bounds):
        return torch.ops.tytvm.segment_attention(q, q, q, bounds + 1, 1.0)

    graph = graph_of(Calculation(attend), q=torch.randn(1, 2, 8, 16), bounds=torch.tensor([-1, 7]))
    with pytest.raises(UnsupportedError, match="are computed; only constants"):
        compile_program(ProgramJob(graph, Kernels(resolve("native"), True), lay_out({}), lay_out({})))


@pytest.mark.parametrize("bounds", [[0, 4], [1, 8], [0, 6, 5, 8], [0]])
def test_bounds_that_are_none_of_the_tokens_are_refused(bounds):
    graph = graph_of_constants(Block(), x=torch.randn(TOKENS, 64))
    graph.capture.constants["b_bounds"] = torch.tensor(bounds)
    with pytest.raises(UnsupportedError, match="do not cover its 46 tokens"):
        compile_program(ProgramJob(graph, Kernels(resolve("native"), True), lay_out({}), lay_out({})))
