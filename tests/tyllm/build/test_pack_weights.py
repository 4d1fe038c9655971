"""What is packed for a die is its slice of the weight: packed, unpacked again, equal."""

import numpy as np
import pytest

from tyllm.build.pack_weights import StoredWeight, pack_weights
from tyllm.build.tensor_parallel import IN, OUT, WeightSharding
from tyllm.build.weight_formats import Quantization, linear_format, local_shape
from tyllm.build.weight_reader import WeightReader
from tyllm.package import Params, ParamsWriter
from tytvm.kernels.linear import float16_weight, int4_weight
from tytvm.weights import Plain

N, K = 80, 192
WHOLE = WeightSharding(None, ())
ROWS_CUT = WeightSharding(OUT, ((0, 48), (48, 80)))
UNEVEN = WeightSharding(OUT, ((0, 20), (20, 68), (68, 80)))
HELD_TWICE = WeightSharding(OUT, ((0, 40), (0, 40), (40, 80)))  # key/value heads that two dies share
COLUMNS_CUT = WeightSharding(IN, ((0, 128), (128, 192)))
COLUMNS_THROUGH_A_GROUP = WeightSharding(IN, ((0, 96), (96, 192)))
CUTS = [WHOLE, ROWS_CUT, UNEVEN, HELD_TWICE, COLUMNS_CUT, COLUMNS_THROUGH_A_GROUP]


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    """Weights are read in several chunks of rows."""
    monkeypatch.setattr("tyllm.build.pack_weights.ROWS", 32)


@pytest.fixture
def packed(memory, tmp_path):
    """`packed(array, cut, quantization, format_of)`: each die's tensors and formats."""

    def pack(array, cut, quantization, format_of):
        formats = [format_of(local_shape(array.shape, cut, die)) for die in range(len(cut.spans) or 1)]
        writers = []
        for die, own in enumerate(formats):
            specs = {f"w{suffix}": (spec.dtype, spec.shape) for suffix, spec in own.tensors().items()}
            writers.append(ParamsWriter(tmp_path / f"{die}.params", specs))
        seen = []
        pack_weights(
            [StoredWeight("w", cut, formats)], WeightReader(memory(w=array), quantization, {}), writers, seen.append
        )
        for writer in writers:
            writer.close()  # refuses a file that lacks rows
        assert seen == ["w"]
        return [(Params(tmp_path / f"{die}.params").tensors, own) for die, own in enumerate(formats)]

    return pack


def part(array, cut, die):
    """A die's slice of the whole."""
    if cut.axis is None:
        return array
    span = slice(*cut.spans[die])
    return array[span] if cut.axis == OUT else array[:, span]


def by_rule(cut, quantization):
    """The compiler's own choice of a format for a shape."""
    return lambda shape: linear_format("w", (N, K), shape, cut, quantization)


@pytest.mark.parametrize("cut", CUTS)
def test_float16(packed, cut):
    weight = np.random.default_rng(0).normal(size=(N, K)).astype(np.float16)
    floats = Quantization(None, 64, frozenset())
    for die, (tensors, own) in enumerate(packed(weight, cut, floats, by_rule(cut, floats))):
        found = float16_weight.unpack({"weight": tensors["w"]}, own.out_features)
        np.testing.assert_array_equal(found, part(weight, cut, die))


@pytest.mark.parametrize("cut", CUTS)
def test_int4(packed, cut, memory):
    weight = np.random.default_rng(1).normal(size=(N, K)).astype(np.float32)
    rounding = Quantization("rtn", 64, frozenset({"w"}))
    expected = WeightReader(memory(w=weight), rounding, {}).codes("w", 0, N).dequantize()
    for die, (tensors, own) in enumerate(packed(weight, cut, rounding, by_rule(cut, rounding))):
        stored = {name: tensors[f"w.{name}"] for name in ("weight", "scale", "zero")}
        codes, scales, zeros = int4_weight.unpack(stored, own.out_features)
        assert codes.shape[1] // scales.shape[1] == own.group_size
        np.testing.assert_array_equal(int4_weight.dequantize(codes, scales, zeros), part(expected, cut, die))


def test_int4_in_a_checkpoint_whose_groups_are_too_small_becomes_float16(packed):
    cut = WeightSharding(IN, ((0, 48), (48, 192)))  # groups of 16
    weight = np.random.default_rng(2).normal(size=(N, K)).astype(np.float16)
    rounding = Quantization("rtn", 64, frozenset({"w"}))
    for die, (tensors, own) in enumerate(packed(weight, cut, rounding, by_rule(cut, rounding))):
        found = float16_weight.unpack({"weight": tensors["w"]}, own.out_features)
        np.testing.assert_array_equal(found, part(weight, cut, die))


@pytest.mark.parametrize("cut", [WHOLE, ROWS_CUT, UNEVEN, HELD_TWICE])
@pytest.mark.parametrize("shape", [(N,), (N, 3)])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_plain(packed, cut, shape, dtype):
    array = np.random.default_rng(3).normal(size=shape).astype(np.float16)
    floats = Quantization(None, 64, frozenset())
    for die, (tensors, _) in enumerate(packed(array, cut, floats, lambda s: Plain(s, dtype))):
        assert tensors["w"].dtype == dtype
        np.testing.assert_array_equal(tensors["w"], part(array, cut, die))


def test_a_term_of_a_sum_is_held_once(packed):
    array = np.arange(6, dtype=np.float32)
    twice = WeightSharding(None, ((0, 6), (0, 6)), is_term=True)
    (first, _), (second, _) = packed(array, twice, Quantization(None, 0, frozenset()), Plain)
    np.testing.assert_array_equal(first["w"], array)
    np.testing.assert_array_equal(second["w"], 0 * array)
