"""A budget of bits, spent on what is worth it."""

import pytest

from awq.method.rounding import Scheme
from awq.quant_config import QuantConfig
from awq.run.mixed_precision import Candidate, bits_per_weight, check_budget, chosen, with_overrides
from tyllm_base.errors import SettingError

INT4 = Scheme(4, 128)
MIXED = QuantConfig(format="compressed-tensors")
SMALL = Candidate(("small",), 0.01, 100, INT4)
LARGE = Candidate(("q", "k"), 0.02, 1000, INT4)
LARGEST = Candidate(("down",), 0.03, 8900, INT4)


def test_bits_of_a_weight_count_its_scale_and_zero_point():
    assert bits_per_weight(INT4) == 4 + 20 / 128
    assert bits_per_weight(Scheme(4, 128, symmetric=True)) == 4 + 16 / 128
    assert bits_per_weight(Scheme(8, 32)) == 8 + 24 / 32
    assert bits_per_weight(None) == 16


def test_the_worst_for_each_bit_comes_first():
    found = [LARGEST, LARGE, SMALL]
    assert chosen(found, MIXED, 4.16) == {}
    assert chosen(found, MIXED, 4.2) == {"small": 8}
    assert chosen(found, MIXED, 4.7) == {"small": 8, "q": 8, "k": 8}
    assert chosen(found, MIXED, 8.5) == {"small": 8, "q": 8, "k": 8, "down": 8}


def test_what_does_not_fit_leaves_room_for_what_does():
    assert chosen([LARGEST, LARGE], MIXED, 4.7) == {"q": 8, "k": 8}


def test_the_awq_format_keeps_layers_at_float16():
    assert chosen([LARGEST, LARGE, SMALL], QuantConfig(), 4.3) == {"small": None}


def test_the_budget_holds():
    for budget in (4.2, 4.5, 5.0, 6.0):
        found = [Candidate((str(i),), 1 / (i + 1), 50 + 7 * i, INT4) for i in range(40)]
        kept = chosen(found, MIXED, budget)
        bits = [bits_per_weight(Scheme(kept.get(each.names[0]) or 4, 128)) * each.weights for each in found]
        assert budget - 0.1 < sum(bits) / sum(each.weights for each in found) <= budget


def test_too_small_a_budget_is_refused():
    with pytest.raises(SettingError, match=r"4-bit codes with their scales take 4\.156 bits a weight"):
        chosen([SMALL], MIXED, 4.1)


@pytest.mark.parametrize(
    ("budget", "method", "config", "words"),
    [
        (17.0, "tyllm", MIXED, "is 17; give a number from 4 to 16"),
        (0.0, "tyllm", MIXED, "is 0; give"),
        (4.5, "rtn", MIXED, "needs the method 'tyllm', not 'rtn'"),
        (9.0, "tyllm", QuantConfig(w_bit=8, format="compressed-tensors"), "all have 8"),
    ],
)
def test_budgets_that_cannot_work(budget, method, config, words):
    with pytest.raises(SettingError, match=words):
        check_budget(budget, method, config)


def test_overrides_join_those_of_the_user():
    config = QuantConfig.from_dict({"overrides": {"a": 4}}, format="compressed-tensors")
    assert with_overrides(config, {"b": 8}).overrides == {"a": 4, "b": 8}
