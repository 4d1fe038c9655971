"""A copied prefix is as good as one that was fed."""

import numpy as np
import pytest
from fake_package import reference_logits

from tyllm.runtime import Session
from tyllm.runtime.cache.copy_prefix import copy_prefix

TEXT = list(range(40))


@pytest.mark.parametrize("length", [1, 15, 16, 17, 40])
def test_going_on_in_another_slot(toy, length):
    with Session(toy(dies=2), slots=2) as session:
        first, second = session.conversation(0), session.conversation(1)
        first.append(TEXT)
        second.append([9] * length)
        copy_prefix(session._engine, 0, 1, length)
        assert np.array_equal(second.append([5]), reference_logits([*TEXT[:length], 5]))
        assert np.array_equal(first.append([6]), reference_logits([*TEXT, 6]))
