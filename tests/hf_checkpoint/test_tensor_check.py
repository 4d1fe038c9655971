"""Each way in which config.json and the tensors can contradict each other has its sentence."""

import numpy as np
import pytest

from hf_checkpoint.awq_gemm import pack_linear
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.safetensors_file import read_header, write_safetensors
from hf_checkpoint.tensor_check import check_tensors
from tyllm_base.errors import CheckpointError

SHAPES = {"norm.weight": (4,), "up.weight": (8, 32), "head.weight": (8, 4), "table.weight": (8, 4)}
FLOATS = {"norm.weight": np.zeros(4, np.float16), "table.weight": np.zeros((8, 4), np.float32)}
PACKED = pack_linear(np.zeros((8, 32), np.uint8), np.zeros((8, 1), np.uint8), np.ones((8, 1), np.float16))._asdict()
GOOD = FLOATS | {f"up.{name}": array for name, array in PACKED.items()}
TIED = {"head.weight": "table.weight"}
ANY_FLOAT = ()  # the default


@pytest.fixture
def check(tmp_path):
    """`check(**changes)`: compare a checkpoint in which some tensors are others; None removes one."""

    def compare(changes=None, dtypes=(("F16", "F32"),)):
        tensors = {name: array for name, array in (GOOD | (changes or {})).items() if array is not None}
        write_safetensors(tmp_path / "model.safetensors", tensors)
        checkpoint = Checkpoint(tmp_path, {}, read_header(tmp_path / "model.safetensors"))
        check_tensors(checkpoint, SHAPES, {"up.weight"}, TIED, *dtypes)

    return compare


@pytest.mark.parametrize("more", ["head.weight", "layers.0.rotary_emb.inv_freq", "rotary_pos_emb.inv_freq"])
def test_what_may_be_stored_beside(check, more):
    check()
    check({more: np.zeros((8, 4), np.float16)})


def test_what_transformers_leaves_unread_may_be_left_over(tmp_path):
    write_safetensors(tmp_path / "model.safetensors", GOOD | {"mtp.up.weight": np.zeros(4, np.float16)})
    checkpoint = Checkpoint(tmp_path, {}, read_header(tmp_path / "model.safetensors"))
    check_tensors(checkpoint, SHAPES, {"up.weight"}, TIED, ignored=[r"^mtp\."])
    with pytest.raises(CheckpointError, match=r"has the tensor mtp\.up\.weight, for which config\.json has no place"):
        check_tensors(checkpoint, SHAPES, {"up.weight"}, TIED, ignored=[r"^up\."])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"norm.weight": None}, r"has no tensor norm\.weight"),
        ({"norm.weight": np.zeros(5, np.float16)}, r"norm\.weight has shape \[5\] where config\.json calls for \[4\]"),
        ({"norm.weight": np.zeros(4, np.int64)}, r"norm\.weight has type I64; a float checkpoint has F16, BF16 or F32"),
        ({"up.scales": None}, r"has no tensor up\.scales"),
        ({"up.qweight": np.zeros((32, 2), np.int32)}, "the tensors beside it call for"),
        ({"more.weight": np.zeros(1, np.float16)}, r"has the tensor more\.weight, for which config\.json has no place"),
    ],
)
def test_contradictions(check, changes, sentence):
    with pytest.raises(CheckpointError, match=sentence):
        check(changes)


def test_a_packed_weight_of_another_shape(check):
    wide = pack_linear(np.zeros((16, 32), np.uint8), np.zeros((16, 1), np.uint8), np.ones((16, 1), np.float16))
    with pytest.raises(CheckpointError, match=r"up\.weight has shape \[16, 32\] where .* calls for \[8, 32\]"):
        check({f"up.{name}": array for name, array in wide._asdict().items()})


@pytest.mark.parametrize("kind", [np.int64, np.int16, np.uint8, np.bool_])
def test_whole_numbers_are_no_weights(check, kind):
    check({"norm.weight": np.zeros(4, np.float64)}, ANY_FLOAT)
    with pytest.raises(CheckpointError, match=r"norm\.weight has type .*; a float checkpoint has"):
        check({"norm.weight": np.zeros(4, kind)}, ANY_FLOAT)
