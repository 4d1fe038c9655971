"""What of a checkpoint is INT4, and what cannot be."""

from dataclasses import replace

import pytest
import torch
from tests.tyllm.llm.test_compile_settings import GOOD

from awq.method.packed_weight import packed_tensors, quantize_parts
from awq.method.rounding import Scheme
from tyllm.build.weight_formats import Quantization
from tyllm.llm.quantization import find_quantization, untie_quantized_head
from tyllm_base.errors import CheckpointError, SettingError, UnsupportedError

AWQ = {"quant_method": "awq", "version": "gemm", "bits": 4, "group_size": 32}
UP, DOWN = "model.layers.0.mlp.up_proj", "model.layers.1.mlp.down_proj"
SHAPES = {UP: (192, 128), DOWN: (128, 192)}
COMPRESSED = {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"group_0": {}}}


def packed(name, scheme, file_format):
    """The tensors of a layer of zeros."""
    parts = quantize_parts([torch.zeros(SHAPES[name])], scheme)
    return packed_tensors(name, parts, scheme, file_format)


@pytest.fixture
def checkpoint(memory):
    """`checkpoint(config, *names)` has those layers in AWQ's format, by groups of 32."""

    def of(config, *names, **tensors):
        found = memory(tensors)
        for name in names:
            found |= packed(name, Scheme(4, 32), "awq")
        found.quantization = config
        return found

    return of


def test_floats_stay(meta_model, checkpoint):
    assert find_quantization(meta_model(), checkpoint(None), GOOD) == Quantization(None, 128, frozenset())


def test_rounding_takes_every_linear_layer(meta_model, checkpoint):
    found = find_quantization(meta_model(), checkpoint(None), replace(GOOD, quantize="rtn", group_size=64))
    assert (found.method, found.group_size) == ("rtn", 64)
    assert len(found.names) == 2 * 7 + 1 and {f"{UP}.weight", "lm_head.weight"} <= found.names


def test_awq_takes_what_is_packed(meta_model, checkpoint):
    found = find_quantization(meta_model(), checkpoint(AWQ, UP), GOOD)
    assert found == Quantization("awq", 32, frozenset({f"{UP}.weight"}))


def test_older_names_of_the_settings(meta_model, checkpoint):
    old = {"quant_method": "awq", "w_bit": 4, "q_group_size": 32, "version": "GEMM"}
    assert find_quantization(meta_model(), checkpoint(old, UP), GOOD).group_size == 32


def test_one_group_over_all_inputs(meta_model, checkpoint):
    whole = packed(UP, Scheme(4, 128), "awq") | packed(DOWN, Scheme(4, 192), "awq")
    found = find_quantization(meta_model(), checkpoint(AWQ | {"group_size": -1}, **whole), GOOD)
    assert found.group_size == -1 and found.group_of(128) == 128


def test_compressed_tensors(meta_model, checkpoint):
    tensors = packed(UP, Scheme(4, 64, symmetric=True), "compressed-tensors")
    found = find_quantization(meta_model(), checkpoint(COMPRESSED, **tensors), GOOD)
    assert found == Quantization("compressed-tensors", 64, frozenset({f"{UP}.weight"}))


def test_groups_of_several_sizes_have_a_common_one(meta_model, checkpoint):
    tensors = packed(UP, Scheme(4, 128), "compressed-tensors") | packed(DOWN, Scheme(4, 96), "compressed-tensors")
    assert find_quantization(meta_model(), checkpoint(COMPRESSED, **tensors), GOOD).group_size == 32


def test_eight_bits_become_float16_and_that_is_said(meta_model, checkpoint):
    tensors = packed(UP, Scheme(8, 64), "compressed-tensors") | packed(DOWN, Scheme(4, 64), "compressed-tensors")
    with pytest.warns(UserWarning, match=r"1 of 15 linear layers have 8-bit weights.*stored as float16"):
        found = find_quantization(meta_model(), checkpoint(COMPRESSED, **tensors), GOOD)
    assert (found.names, found.dequantized) == ({f"{DOWN}.weight"}, {f"{UP}.weight"})
    with pytest.warns(UserWarning):
        found = find_quantization(
            meta_model(), checkpoint(COMPRESSED, **packed(UP, Scheme(8, 64), "compressed-tensors")), GOOD
        )
    assert found.method is None and found.packed == {f"{UP}.weight"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"quant_method": "gptq", "bits": 4}, "quantized as gptq with 4 bits; only awq gemm with 4 bits"),
        (AWQ | {"version": "gemv"}, "quantized as awq gemv with 4 bits"),
        (AWQ | {"bits": 8}, "quantized as awq gemm with 8 bits"),
        (COMPRESSED | {"format": "nvfp4-pack-quantized"}, "quantized as compressed-tensors nvfp4-pack-quantized"),
        ({}, "quantized as None with None bits"),
    ],
)
def test_unknown_formats(meta_model, checkpoint, config, words):
    with pytest.raises(UnsupportedError, match=words):
        find_quantization(meta_model(), checkpoint(config, UP), GOOD)


@pytest.mark.parametrize(
    ("config", "packed", "words"),
    [
        (AWQ, [], "says that it is quantized, and no tensor of it is"),
        (AWQ | {"group_size": 48}, [UP], f"says groups of 48, and {UP}.weight has groups of 32"),
        (AWQ | {"group_size": 0}, [UP], "says group_size 0, which is no group size"),
        (AWQ | {"group_size": "all"}, [UP], "says group_size 'all', which is no group size"),
        (AWQ | {"group_size": None}, [UP], "says group_size None, which is no group size"),
    ],
)
def test_contradictions(meta_model, checkpoint, config, packed, words):
    with pytest.raises(CheckpointError, match=words):
        find_quantization(meta_model(), checkpoint(config, *packed), GOOD)


@pytest.mark.parametrize(
    ("config", "changes", "words"),
    [
        (None, {"group_size": 96}, r"The group size 96 does not divide the 128 inputs of .*; use 64 or 32\."),
        (AWQ, {}, r"is quantized already \(awq\); leave out --quantize rtn"),
    ],
)
def test_settings_that_do_not_fit(meta_model, checkpoint, config, changes, words):
    with pytest.raises(SettingError, match=words):
        find_quantization(meta_model(), checkpoint(config, UP), replace(GOOD, quantize="rtn", **changes))


@pytest.mark.parametrize(("names", "tied"), [({"lm_head.weight"}, False), ({f"{UP}.weight"}, True)])
def test_a_quantized_head_is_untied(meta_model, names, tied):
    model = meta_model()
    untie_quantized_head(model, Quantization("awq", 32, frozenset(names)))
    untie_quantized_head(other := meta_model(), Quantization(None, -1, frozenset(), frozenset(names)))
    assert (other.lm_head.weight is other.model.embed_tokens.weight) == tied
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied
    assert model.lm_head.weight.shape == model.model.embed_tokens.weight.shape
