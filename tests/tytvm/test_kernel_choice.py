"""Each operator's kernel has a name that tells its shape, and its cost."""

import json

import pytest

from tytvm.kernel_choice import Kernels
from tytvm.kernels.attention.attention_cut import Attention
from tytvm.kernels.attention.kv_cache import KvCache
from tytvm.kernels.rowwise.encoding import FLOAT32, Int8
from tytvm.kernels.varlen_attention.packed_sequences import Segments
from tytvm.kernels.varlen_attention.varlen_pack import Source
from tytvm.target import resolve
from tytvm.weights import W4, W16, Plain

CACHE = KvCache(2, 64, 16, 16)
SEGMENTS = Segments((8, 4), 2, 2, 16, 16, 0.25, False)
INT8 = Kernels(resolve("native"), int8_activations=True)
FLOAT = Kernels(resolve("native"), int8_activations=False)


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        (INT8.embedding(4, Plain((24, 32), "float16")), "embedding_4_24_32"),
        (INT8.rms_norm(4, 32, 1e-6, FLOAT32, False), "rms_norm_4_32"),
        (INT8.rms_norm(4, 32, 1e-6, Int8(32), True), "add_rms_norm_int8_4_32_32"),
        (INT8.rope(2, 4, 32, False), "rope_2_4_32"),
        (INT8.swiglu(4, 40, FLOAT32), "swiglu_4_40"),
        (INT8.layer_norm(4, 32, 1e-6, FLOAT32, True), "add_layer_norm_4_32"),
        (INT8.activation(4, 40, "gelu", FLOAT32), "gelu_4_40"),
        (INT8.cache_append(CACHE, 4), "cache_append_2_4_16"),
        (INT8.attention(Attention(CACHE, 4, 40, 0.25)), "attention_4_40_16_0"),
        (INT8.segment_pack(SEGMENTS, Source(12, joined=True)), "segment_pack_12_2_16_joined"),
        (INT8.segment_attention(SEGMENTS, FLOAT32), "segment_attention_12_2_2_16"),
        (INT8.attention_merge(Attention(CACHE, 4, 1, 0.25)), "attention_merge_4_1_16"),
        (INT8.encode(4, 64, Int8(32)), "quantize_rows_4_64_32"),
        (INT8.encode(20, 128, Int8(64, tiled=True)), "quantize_rows_20_128_64_tiled"),
        (INT8.linear(4, W4(40, 64, 32), True), "linear_w4a8_4_64_40_32_bias"),
        (FLOAT.linear(4, W4(40, 64, 32), False), "linear_w4a16_4_64_40_32"),
        (INT8.linear(4, W16(40, 64), False), "linear_w16a16_4_64_40"),
    ],
)
def test_name_and_cost(kernel, name):
    assert kernel.attrs["tytvm.name"] == name
    cost = json.loads(str(kernel.attrs["tytvm.cost"]))
    assert set(cost) == {"operations", "bytes_read", "bytes_written"} and cost["bytes_written"] > 0


def test_two_norms_that_differ_only_in_epsilon_are_two_kernels():
    a, b = (INT8.rms_norm(4, 32, eps, FLOAT32, False) for eps in (1e-6, 1e-5))
    assert a.script() != b.script()


def test_a_tied_table_lies_as_its_linear_does():
    plain, tied = INT8.embedding(4, Plain((24, 32), "float16")), INT8.embedding(4, W16(24, 32))
    assert [tuple(int(n) for n in kernel.params[2].ty.shape) for kernel in (plain, tied)] == [(24, 32), (2, 32, 16)]


@pytest.mark.parametrize("group_size", [32, 64, 96, 128, 192, 256])
def test_activation_groups_divide_the_weights_groups(group_size):
    weight = W4(16, 768, group_size)
    assert group_size % INT8.activation_group(weight) == 0


def test_a_shape_is_built_once():
    assert INT8.swiglu(4, 40, FLOAT32).body.same_as(INT8.swiglu(4, 40, FLOAT32).body)
