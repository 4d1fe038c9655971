"""The imported graph: parameters named by place, our kernels where we have them, no work for a change of shape."""

import pytest
import torch
from tests.tytvm.small_graph import Calculation, Small, graph_of, weight_formats

from tyllm_errors import UnsupportedError
from tytvm import rewrites
from tytvm.graph import kv_layout
from tytvm.importer import import_graph
from tytvm.kernel_choice import Kernels
from tytvm.lower import lower
from tytvm.target import resolve
from tytvm.weights import W4, TensorSpec


class Same(Small):
    """Both INT4 layers read the norm's result."""

    def forward(self, tokens, row):
        x = self.norm(self.table(tokens))
        return self.head((self.up(x) * self.gate(x))[..., :32][:, row])


KERNELS = Kernels(resolve("native"), int8_activations=True)
FLOATS = Kernels(resolve("native"), int8_activations=False)
INPUTS = {"tokens": torch.zeros(1, 4, dtype=torch.int64), "row": torch.zeros(1, dtype=torch.int64)}


def imported(graph, kernels=KERNELS):
    rewrites.apply(graph.capture.graph_module)
    return import_graph(graph, kernels)


def calls(module):
    """Kernels and operators of `main`, in order."""
    values = [binding.value for block in module["main"].body.blocks for binding in block.bindings]
    values = [value for value in values if hasattr(value, "op")]
    return [v.args[0].name_hint if v.op.name.startswith("relax.call_tir") else v.op.name for v in values]


def of_function(function, **inputs):
    return calls(imported(graph_of(Calculation(function), **inputs)))


def test_parameters_are_named_by_place():
    module = imported(graph_of(Small(), **INPUTS))
    names = {variable.name for variable in module["main"].params}
    weights = {f"params:{name}" for name, _ in Small().named_parameters()}
    assert names == weights | {"io:tokens", "io:row", "io:first_token"}


def test_our_kernels_do_what_they_can():
    found = calls(imported(graph_of(Small(), **INPUTS)))
    kernels = ["embedding", "rms_norm", "linear_w16a16", "swiglu"]
    assert [sum(name.startswith(kernel) for name in found) for kernel in kernels] == [1, 1, 4, 1]
    assert "linear_w16a16_4_40_32_bias" in found


def test_activations_of_one_layer_are_quantized_once():
    weights = weight_formats(Small()) | {name: W4(40, 32, 32) for name in ("up.weight", "gate.weight")}
    both = calls(imported(graph_of(Small(), weights, **INPUTS)))
    assert sum(name.startswith("quantize_rows") for name in both) == 1  # up reads x
    assert sum(name.startswith("rms_norm_int8") for name in both) == 1  # gate reads the norm
    assert sum(name.startswith("linear_w4a8") for name in both) == 2
    same = calls(imported(graph_of(Same(), weights, **INPUTS)))
    assert sum(name.startswith("rms_norm_int8") for name in same) == 1
    assert not any(name.startswith("quantize_rows") for name in same)


class Residual(Small):
    """A sum that a norm reads, and that is read again after it."""

    def forward(self, tokens, row):
        x = self.table(tokens)
        x = x + self.down(torch.nn.functional.silu(self.gate(x)) * self.up(x))
        return self.head((self.norm(x) + x)[:, row])


def test_a_residual_is_added_by_the_norm_that_reads_it():
    found = calls(imported(graph_of(Residual(), **INPUTS)))
    assert sum(name.startswith("add_rms_norm_4_32") for name in found) == 1
    assert found.count("relax.add") == 1  # what the head reads


def test_rows_that_are_read_in_two_encodings_stay_float32():
    weights = weight_formats(Small()) | {"gate.weight": W4(40, 32, 32)}
    found = calls(imported(graph_of(Same(), weights, **INPUTS)))
    assert "rms_norm_4_32" in found and sum(name.startswith("quantize_rows") for name in found) == 1


class Gated(Small):
    """Gate and up read the same, in whole groups of outputs."""

    def __init__(self):
        super().__init__(width=128)
        self.up, self.gate = (torch.nn.Linear(128, 256, bias=False) for _ in range(2))
        self.down = torch.nn.Linear(256, 128)

    def forward(self, tokens, row):
        x = self.norm(self.table(tokens))
        return self.head(self.down(torch.nn.functional.silu(self.gate(x)) * self.up(x))[:, row])


@pytest.mark.parametrize("tokens", [4, 16])
def test_many_rows_are_gated_where_they_are_multiplied(tokens):
    weights = weight_formats(Gated()) | {name: W4(256, 128, 128) for name in ("gate.weight", "up.weight")}
    weights["down.weight"] = W4(128, 256, 128)
    inputs = INPUTS | {"tokens": torch.zeros(1, tokens, dtype=torch.int64)}
    found = calls(lower(imported(graph_of(Gated(), weights, **inputs))))
    counts = [sum(name.startswith(kind) for name in found) for kind in ("gated", "swiglu", "linear_w4a8")]
    assert counts == ([1, 0, 1] if KERNELS.spec.has_tiles and tokens >= 16 else [0, 1, 3])


class VisionBlock(torch.nn.Module):
    """Residuals, norms of both kinds, SwiGLU with biases and QuickGELU; no width is a whole number of tiles."""

    def __init__(self):
        super().__init__()
        self.patch = torch.nn.Linear(90, 64, bias=False)
        self.gate, self.up = torch.nn.Linear(64, 108), torch.nn.Linear(64, 108)
        self.down = torch.nn.Linear(108, 64)
        self.first, self.second = torch.nn.Linear(64, 76), torch.nn.Linear(76, 64)
        self.root_mean_square, self.layer = torch.nn.RMSNorm(64, eps=1e-6), torch.nn.LayerNorm(64, eps=1e-6)

    def forward(self, x):
        x = self.patch(x)
        h = self.root_mean_square(x)
        x = x + self.down(torch.nn.functional.silu(self.gate(h)) * self.up(h))
        h = self.first(self.layer(x))
        return x + self.second(h * torch.sigmoid(1.702 * h))


@pytest.mark.skipif(not KERNELS.spec.has_tiles, reason="this machine has no AMX")
def test_a_vision_block_on_tiles():
    found = calls(lower(imported(graph_of(VisionBlock(), x=torch.zeros(48, 90)))))
    *kernels, total = found
    assert "add" in total and kernels == [
        "bfloat16_tiles_48_90",
        "linear_w16a16_amx_48_90_64",
        "rms_norm_bfloat16_48_64",
        "gated_w16a16_amx_48_64_108_bias",
        "linear_w16a16_amx_48_108_64_bias",
        "add_layer_norm_bfloat16_48_64",
        "quick_gelu_w16a16_amx_48_64_76_bias",
        "linear_w16a16_amx_48_76_64_bias",
    ]


def test_a_vision_block_on_vectors():
    found = calls(imported(graph_of(VisionBlock(), x=torch.zeros(48, 90)), FLOATS))
    kernels = ["rms_norm_48_64", "swiglu_48_108", "add_layer_norm_48_64", "quick_gelu_48_76"]
    assert [name for name in found if "norm" in name or "glu" in name or "gelu" in name] == kernels


def test_float_activations_stay():
    weights = weight_formats(Small()) | {"up.weight": W4(40, 32, 32)}
    found = calls(imported(graph_of(Small(), weights, **INPUTS), FLOATS))
    assert not any(name.startswith("quantize_rows") for name in found)
    assert "linear_w4a16_4_32_40_32" in found


@pytest.mark.parametrize("order", [(0, 2, 1, 3), (1, 0, 2, 3), (2, 0, 3, 1)])
def test_a_permutation_of_axes_of_length_one_is_a_reshape(order):
    found = of_function(lambda x: (x.permute(order) + 1,), x=torch.zeros(1, 1, 4, 8))
    assert "relax.permute_dims" not in found and "relax.add" in found


@pytest.mark.parametrize("shape", [(1, 3, 4, 8), (1, 4, 4, 8)])
def test_a_permutation_that_moves_data_is_one(shape):
    assert "relax.permute_dims" in of_function(lambda x: (x.transpose(1, 2) + 1,), x=torch.zeros(shape))


def test_a_change_of_shape_is_a_reshape():
    found = of_function(lambda x: (x.unsqueeze(0).squeeze(0) + 1,), x=torch.zeros(3, 4))
    assert set(found) <= {"relax.reshape", "relax.add"}


@pytest.mark.parametrize("tokens", [1, 4])
def test_the_row_that_is_asked_for_is_chosen_at_run_time(tokens):
    inputs = {"tokens": torch.zeros(1, tokens, dtype=torch.int64), "row": torch.zeros(1, dtype=torch.int64)}
    found = calls(imported(graph_of(Small(), **inputs)))
    assert f"select_rows_{tokens}_32_1" in found and "relax.take" not in found


def test_other_rows_are_taken_within_bounds():
    graph = graph_of(Calculation(lambda x, row: (x[row],)), x=torch.zeros(4, 8), row=torch.zeros(1).long())
    (taken,) = [b.value for block in imported(graph)["main"].body.blocks for b in block.bindings if "take" in str(b)]
    assert taken.attrs.mode == "wrap" and taken.attrs.axis == 0


def test_one_index_is_a_slice():
    for index in (1, -1):
        graph = graph_of(Calculation(lambda x, index=index: (torch.tanh(x)[:, index],)), x=torch.zeros(2, 3, 4))
        text = str(imported(graph)["main"])
        assert "strided_slice" in text and "take" not in text


def test_heads_are_turned_where_they_are_rotated():
    def rotate(x, cos, sin):
        return (torch.ops.tytvm.rope(x.transpose(1, 2), cos, sin),)

    x, table = torch.zeros(1, 3, 4, 16), torch.zeros(1, 3, 16)
    found = calls(lower(imported(graph_of(Calculation(rotate), x=x, cos=table, sin=table))))
    assert [name for name in found if "reshape" not in name] == ["rope_4_3_16_by_token"]


def test_attention_appends_to_the_caches_of_its_layer():
    def attend(q, k, v):
        return (torch.ops.tytvm.attention(q, k, v, 7, 0.5, 0, 0.0),)

    q, kv = torch.zeros(1, 4, 3, 16), torch.zeros(1, 2, 3, 16)
    graph = graph_of(Calculation(attend), kv_capacity=20, q=q, k=kv, v=kv)
    layout = kv_layout(graph.capture, 20)
    shapes = {"7.k": (2, 2, 16, 16), "7.v": (2, 32, 16)}
    assert dict(layout.specs) == {name: TensorSpec(shape, "float16") for name, shape in shapes.items()}
    module = imported(graph)
    kernels = [name.partition("_")[0] for name in calls(module) if "relax" not in name]
    assert kernels == ["cache", "attention", "attention"]
    assert {"kv:7.k", "kv:7.v"} <= {variable.name for variable in module["main"].params}


def test_an_unknown_operator_is_refused_by_its_name():
    graph = graph_of(Calculation(lambda x: (torch.linalg.inv_ex(x)[0],)), x=torch.zeros(4, 4))
    with pytest.raises(UnsupportedError, match=r"uses aten\.linalg_inv_ex\.default, which cannot be compiled"):
        imported(graph)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x, w: (torch.nn.functional.linear(x, w),), "A linear layer multiplies by w"),
        (lambda x, w: (torch.nn.functional.embedding(x.long(), w),), "An embedding reads w"),
    ],
)
def test_a_computed_weight_is_refused(function, words):
    graph = graph_of(Calculation(function), x=torch.zeros(2, 8), w=torch.zeros(5, 8))
    with pytest.raises(UnsupportedError, match=words) as caught:
        imported(graph)
    assert str(caught.value).endswith("no weight of the checkpoint; it cannot be compiled.")
