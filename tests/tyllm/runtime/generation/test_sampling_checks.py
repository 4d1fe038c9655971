"""Token ids, biases and functions, in the forms in which callers have them."""

import numpy as np
import pytest

from tyllm.runtime.generation.sampling_checks import (
    allowed_tokens,
    callables,
    token_biases,
    token_list,
    token_list_or_none,
)
from tyllm_base.errors import GenerationError


@pytest.mark.parametrize("given", [[3, 5], (3, 5), np.asarray([3, 5]), range(3, 7, 2), [np.int32(3), 5]])
def test_token_ids(given):
    found = token_list("ids", given)
    assert found == (3, 5) and all(type(each) is int for each in found)


def test_none_is_none_or_nothing():
    assert (token_list("ids", None), token_list_or_none("ids", None), allowed_tokens("ids", None)) == ((), None, None)
    assert (token_biases("biases", None), callables("functions", None)) == ({}, ())


@pytest.mark.parametrize("given", [3, "35", b"35", [3.0], [True], [-1], [[3]], {3: 5}, np.zeros((1, 2), np.int64)])
def test_no_token_ids(given):
    with pytest.raises(GenerationError, match=r"^ids is .*, it must be a list of token ids"):
        token_list("ids", given)


def test_biases():
    assert token_biases("biases", {np.int64(3): np.float32(0.5), 4: -100}) == {3: 0.5, 4: -100.0}


@pytest.mark.parametrize("given", [[3], 3, {"3": 1}, {3: "1"}, {3: 101}, {3: float("nan")}, {True: 1}, {-1: 1}])
def test_no_biases(given):
    with pytest.raises(GenerationError, match=r"^biases is .*, it must be a dictionary of token ids"):
        token_biases("biases", given)


def test_at_least_one_token_is_allowed():
    with pytest.raises(GenerationError, match=r"ids is \[\], it must be a list of at least one token id"):
        allowed_tokens("ids", [])


@pytest.mark.parametrize("given", [len, [3], "len"])
def test_no_functions(given):
    with pytest.raises(GenerationError, match=r"^functions is .*, it must be a list of functions"):
        callables("functions", given)
    assert callables("functions", [len]) == (len,)
