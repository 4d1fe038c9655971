"""Each operator finds its kernel, which has a name that tells its shape, and its cost; a newcomer needs one line."""

import inspect
import json
import pkgutil
from importlib import import_module

import pytest

from tytvm import kernel_choice, kernels
from tytvm.kernel_choice import KERNELS, Kernels
from tytvm.kernels.kernel import Kernel, Specialization, WorkKind
from tytvm.kernels.operands.attention_tiling import Attention
from tytvm.kernels.operands.encoding import FLOAT32, Bfloat16, Int8
from tytvm.kernels.operands.expert_groups import ExpertGroups
from tytvm.kernels.operands.kv_cache import KvCache
from tytvm.kernels.operands.packed_sequences import PackedSequences
from tytvm.kernels.operands.qkv_source import QkvSource
from tytvm.kernels.operators import (
    ActivatedLinear,
    Activation,
    CacheAppend,
    CombineExperts,
    EmbeddingRows,
    Encode,
    ExpertLinear,
    FillColumns,
    GatedLinear,
    GatedRows,
    GatherColumns,
    GroupByExpert,
    LayerNorm,
    Linear,
    RmsNorm,
    Rope,
    SelectRows,
    SwiGlu,
    TopK,
    VarlenAttention,
    VarlenPack,
)
from tytvm.target import resolve
from tytvm.weights import W4, W16, Plain

GROUPS = ExpertGroups(4, 2, 8)
CACHE = KvCache(2, 64, 16, 16)
SEQUENCES = PackedSequences((8, 4), 2, 2, 16, 16, 0.25, False)
VECTORS, TILES = resolve("x86-64-avx512-vnni"), resolve("x86-64-avx512-amx")
INT8, FLOAT, AMX = Kernels(VECTORS, True), Kernels(TILES, False), Kernels(TILES, True)
CODES, TILED = Int8(128), Int8(128, tiled=True)


@pytest.mark.parametrize(
    ("chooser", "operator", "name"),
    [
        (INT8, EmbeddingRows(4, Plain((24, 32), "float16")), "embedding_4_24_32"),
        (INT8, RmsNorm(4, 32, 1e-6), "rms_norm_4_32"),
        (INT8, RmsNorm(4, 32, 1e-6, Int8(32), True), "add_rms_norm_int8_4_32_32"),
        (AMX, RmsNorm(32, 128, 1e-6, TILED), "rms_norm_int8_32_128_128_tiled"),
        (INT8, Rope(2, 4, 32), "rope_2_4_32"),
        (INT8, Rope(2, 4, 32, tokens_first=True, keeps_order=True), "rope_2_4_32_by_token_kept"),
        (INT8, SwiGlu(4, 40), "swiglu_4_40"),
        (INT8, LayerNorm(4, 32, 1e-6, with_sum=True), "add_layer_norm_4_32"),
        (INT8, Activation(4, 40, "gelu"), "gelu_4_40"),
        (INT8, SelectRows(4, 32, 1), "select_rows_4_32_1"),
        (INT8, CacheAppend(CACHE, 4), "cache_append_2_4_16"),
        (INT8, Attention(CACHE, 4, 40, 0.25), "attention_4_40_16_0"),
        (INT8, VarlenPack(SEQUENCES, QkvSource(12, fused=True)), "segment_pack_12_2_16_joined"),
        (INT8, VarlenAttention(SEQUENCES), "segment_attention_12_2_2_16"),
        (INT8, TopK(4, 32, 2), "top_k_4_32_2"),
        (INT8, GatherColumns(4, 32, 2), "gather_columns_4_32_2"),
        (INT8, FillColumns(4, 32, 2, 1.0), "fill_columns_4_32_2"),
        (INT8, GroupByExpert(GROUPS), "group_by_expert_4_2_8"),
        (INT8, GatedRows(8, 64, "silu", Int8(32)), "gated_silu_int8_8_64_32"),
        (INT8, CombineExperts(GROUPS, 64), "combine_experts_4_2_8_64"),
        (INT8, ExpertLinear(GROUPS, W4(48, 64, 32), True), "experts_w4a8_4_2_8_64_48_32_gathered"),
        (AMX, ExpertLinear(GROUPS, W4(48, 64, 32), False), "experts_w4a8_4_2_8_64_48_32"),
        (FLOAT, ExpertLinear(GROUPS, W4(48, 64, 32), True), "experts_w4a16_4_2_8_64_48_32_gathered"),
        (INT8, ExpertLinear(GROUPS, W16(48, 64), False), "experts_w16a16_4_2_8_64_48"),
        (INT8, Encode(4, 64, Int8(32)), "quantize_rows_4_64_32"),
        (INT8, Encode(20, 128, Int8(64, tiled=True)), "quantize_rows_20_128_64_tiled"),
        (INT8, Linear(4, W4(40, 64, 32), True), "linear_w4a8_4_64_40_32_bias"),
        (FLOAT, Linear(4, W4(40, 64, 32)), "linear_w4a16_4_64_40_32"),
        (INT8, Linear(4, W16(40, 64)), "linear_w16a16_4_64_40"),
        (AMX, Linear(16, W4(40, 128, 128), True), "linear_w4a8_amx_16_128_40_128_bias"),
        (AMX, Linear(15, W4(40, 128, 128)), "linear_w4a8_15_128_40_128"),
        (AMX, Linear(16, W4(40, 128, 32)), "linear_w4a8_16_128_40_32"),  # a group is no whole tile
        (AMX, Linear(16, W16(40, 64)), "linear_w16a16_amx_16_64_40"),
        (FLOAT, Linear(16, W16(40, 64)), "linear_w16a16_16_64_40"),
        (AMX, GatedLinear(16, W4(128, 256, 128), TILED), "gated_w4a8_amx_16_256_128_128"),
        (AMX, GatedLinear(16, W16(40, 64), Bfloat16(), True), "gated_w16a16_amx_16_64_40_bias"),
        (AMX, ActivatedLinear(16, W16(40, 64), "silu", Bfloat16()), "silu_w16a16_amx_16_64_40"),
    ],
)
def test_name_and_cost(chooser, operator, name):
    function = chooser.choose(operator).function()
    assert function.attrs["tytvm.name"] == name
    cost = json.loads(str(function.attrs["tytvm.cost"]))
    assert set(cost) == {"operations", "bytes_read", "bytes_written"} and cost["bytes_written"] > 0


@pytest.mark.parametrize(
    ("chooser", "operator"),
    [
        (INT8, GatedLinear(16, W4(128, 256, 128), CODES)),  # no tiles
        (AMX, GatedLinear(15, W4(128, 256, 128), TILED)),  # few rows
        (AMX, GatedLinear(16, W4(128, 256, 128), TILED, True)),  # a bias
        (AMX, GatedLinear(16, W4(128, 256, 128), FLOAT32)),
        (AMX, GatedLinear(16, W16(40, 64), FLOAT32)),
        (AMX, ActivatedLinear(16, W16(40, 64), "silu", FLOAT32)),
        (AMX, VarlenAttention(SEQUENCES, CODES)),
    ],
)
def test_not_mine(chooser, operator):
    assert chooser.find(operator) is None
    with pytest.raises(ValueError, match="No kernel accepts"):
        chooser.choose(operator)


def test_attention_of_one_row_is_merged_from_parts():
    merge = INT8.choose(Attention(CACHE, 4, 1, 0.25)).specialization.followed_by
    assert INT8.choose(merge).function().attrs["tytvm.name"] == "attention_merge_4_1_16"
    assert INT8.choose(Attention(CACHE, 4, 40, 0.25)).specialization.followed_by is None


def test_every_kernel_that_declares_itself_is_in_the_list():
    names = [module.name for module in pkgutil.walk_packages(kernels.__path__, "tytvm.kernels.")]
    declared = {own for name in names if (own := getattr(import_module(name), "KERNEL", None))}
    assert declared == set(KERNELS) and len(set(KERNELS)) == len(KERNELS)


def test_build_and_cost_take_the_same_arguments():
    for kernel in KERNELS:
        build, cost = (list(inspect.signature(each).parameters) for each in (kernel.build, kernel.cost))
        assert [name for name in cost if name != "seen"] == build[1:], kernel.operator


def test_what_reads_a_weight_says_how_it_lies():
    for kernel in KERNELS:
        assert (kernel.layout is not None) == (kernel.kind is WorkKind.WEIGHT_PRODUCT), kernel.operator


def test_a_newcomer_needs_a_line_before_the_kernel_that_it_outdoes(monkeypatch):
    def accepts(target, norm):
        return Specialization("quick_norm", (norm.rows,)) if norm.width == 64 else None

    quick = Kernel(RmsNorm, accepts, None, None, None, WorkKind.ROWWISE)
    monkeypatch.setattr(kernel_choice, "KERNELS", (quick, *KERNELS))
    chosen = [INT8.choose(RmsNorm(4, width, 1e-6)).specialization.name for width in (64, 32)]
    assert chosen == ["quick_norm", "rms_norm_4_32"]


def test_two_norms_that_differ_only_in_epsilon_are_two_kernels():
    a, b = (INT8.choose(RmsNorm(4, 32, eps)).function() for eps in (1e-6, 1e-5))
    assert a.script() != b.script()


def test_a_tied_table_lies_as_its_linear_does():
    tables = [INT8.choose(EmbeddingRows(4, table)).function() for table in (Plain((24, 32), "float16"), W16(24, 32))]
    assert [tuple(int(n) for n in table.params[2].ty.shape) for table in tables] == [(24, 32), (2, 32, 16)]


def test_a_linear_layer_says_how_it_reads_its_input():
    weight = W4(40, 256, 128)
    assert [AMX.input_encoding(rows, weight) for rows in (4, 16)] == [CODES, TILED]
    assert [AMX.input_encoding(rows, W16(40, 256)) for rows in (4, 16)] == [FLOAT32, Bfloat16()]
    assert FLOAT.input_encoding(16, weight) == FLOAT.input_encoding(16, W16(40, 256)) == FLOAT32


def test_a_shape_is_built_once():
    a, b = (INT8.choose(SwiGlu(4, 40)).function() for _ in range(2))
    assert a.body.same_as(b.body)
