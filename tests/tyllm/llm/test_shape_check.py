"""Every tensor has its place in the config, in the right shape and type."""

import numpy as np
import pytest

import tyllm_base.errors
from hf_checkpoint.awq_gemm import pack_linear
from hf_checkpoint.tied_weights import stored_names_of_tied
from tyllm.build.weight_formats import Quantization
from tyllm.llm.shape_check import check_tensors
from tyllm_base.errors import CheckpointError

NORM, UP = "model.norm.weight", "model.layers.0.mlp.up_proj"
FLOAT = Quantization(None, 128, frozenset())
AWQ = Quantization("awq", 32, frozenset({f"{UP}.weight"}))


@pytest.fixture
def model(meta_model):
    return meta_model()


@pytest.fixture
def floats(model, floats_of):
    return floats_of(model)


@pytest.fixture
def packed(floats):
    """The same with one INT4 weight."""
    outputs, inputs = floats.pop(f"{UP}.weight").shape
    groups = (outputs, inputs // 32)
    parts = pack_linear(np.zeros((outputs, inputs), np.uint8), np.zeros(groups, np.uint8), np.ones(groups, np.float16))
    floats |= {f"{UP}.{part}": array for part, array in parts._asdict().items()}
    return floats


def test_good(model, floats):
    check_tensors(model, floats, FLOAT, stored_names_of_tied(model, floats))


def test_good_int4(model, packed):
    check_tensors(model, packed, AWQ, stored_names_of_tied(model, packed))


def test_a_tied_head_may_be_there_or_not(model, floats):
    assert stored_names_of_tied(model, floats) == {"lm_head.weight": "model.embed_tokens.weight"}
    floats["lm_head.weight"] = floats["model.embed_tokens.weight"]
    assert stored_names_of_tied(model, floats) == {}
    check_tensors(model, floats, FLOAT, {})


def test_a_buffer_that_older_checkpoints_stored(model, floats):
    floats["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.zeros(16, np.float32)
    check_tensors(model, floats, FLOAT, stored_names_of_tied(model, floats))


@pytest.mark.parametrize(
    ("name", "array", "sentence"),
    [
        (NORM, np.zeros(64, np.float16), f"{NORM} has shape [64] where config.json calls for [128]"),
        (NORM, np.zeros(128, np.int64), f"{NORM} has type I64; a float checkpoint has F16, BF16 or F32"),
        (
            "model.layers.2.x",
            np.zeros(1, np.float16),
            "the tensor model.layers.2.x, for which config.json has no place",
        ),
    ],
)
def test_a_wrong_float(model, floats, name, array, sentence):
    floats[name] = array
    with pytest.raises(CheckpointError) as caught:
        check_tensors(model, floats, FLOAT, stored_names_of_tied(model, floats))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("part", "array", "sentence"),
    [
        (
            "qweight",
            np.zeros((128, 24), np.float16),
            "qweight is F16 [128, 24] where the tensors beside it call for I32 [128, 24]",
        ),
        (
            "qzeros",
            np.zeros((4, 24), np.int64),
            "qzeros is I64 [4, 24] where the tensors beside it call for I32 [4, 24]",
        ),
        ("scales", np.zeros((4, 192), np.int32), "scales has type I32, no float"),
        (
            "qweight",
            np.zeros((128, 25), np.int32),
            "qweight is I32 [128, 25] where the tensors beside it call for I32 [128, 24]",
        ),
        (
            "scales",
            np.zeros((2, 192), np.float16),
            "qzeros is I32 [4, 24] where the tensors beside it call for I32 [2, 24]",
        ),
    ],
)
def test_a_wrong_int4(model, packed, part, array, sentence):
    packed[f"{UP}.{part}"] = array
    with pytest.raises(tyllm_base.errors.CheckpointError) as caught:
        check_tensors(model, packed, AWQ, stored_names_of_tied(model, packed))
    assert sentence in str(caught.value)


def test_a_packed_weight_of_another_model(model, packed):
    zeros = np.zeros((8, 4), np.uint8)
    parts = pack_linear(np.zeros((8, 128), np.uint8), zeros, np.ones((8, 4), np.float16))
    packed |= {f"{UP}.{part}": array for part, array in parts._asdict().items()}
    with pytest.raises(
        CheckpointError, match=r"up_proj\.weight has shape \[8, 128\] where config.json calls for \[192"
    ):
        check_tensors(model, packed, AWQ, stored_names_of_tied(model, packed))
