"""The table of what picking a token costs."""

import numpy as np
import sampling_speed


def test_a_row_for_each_case():
    rows = sampling_speed.measure(vocabulary=3000, context=50, draws=3, flat=False)
    assert [row[0] for row in rows] == list(sampling_speed.CASES)
    assert all(0 < float(fastest) <= float(median) for _, median, fastest in rows)


def test_a_few_logits_stand_out():
    peaked, flat = (sampling_speed.logits_like(20_000, flat) for flat in (False, True))
    assert np.sort(peaked)[-5] > flat.max() and peaked.dtype == np.float32
