"""Settings that work, and those that cannot."""

import numpy as np
import pytest

from tyllm.runtime.scheduler.engine_settings import EngineSettings
from tyllm_base.errors import SettingError


def test_slots_for_what_runs_and_for_cached_prefixes():
    assert EngineSettings(4).slots == 8
    assert EngineSettings(4, enable_prefix_caching=False).slots == 4


def test_numbers_of_numpy():
    settings = EngineSettings(np.int64(4), max_batched_tokens=np.int32(8), num_draft_tokens=np.uint8(2))
    assert [type(each) for each in (settings.max_num_seqs, settings.max_batched_tokens)] == [int, int]
    assert EngineSettings(prompt_lookup_num_tokens=np.int64(3)).drafts == 3


def test_who_drafts():
    assert EngineSettings().drafts == 0
    assert EngineSettings(prompt_lookup_num_tokens=3).drafts == 3
    assert EngineSettings(draft_model="x", num_draft_tokens=4).drafts == 4


@pytest.mark.parametrize(
    "given",
    [{"max_num_seqs": 0}, {"max_num_seqs": None}, {"max_num_seqs": True}, {"max_num_seqs": 2.0},
     {"prompt_lookup_num_tokens": -1}, {"num_draft_tokens": 0}, {"prompt_lookup_num_tokens": 2, "draft_model": "x"},
     {"max_num_seqs": -(10**5000)}, {"max_batched_tokens": 0}, {"max_batched_tokens": "many"},
     {"enable_prefix_caching": 1}],
)  # fmt: skip
def test_settings_that_cannot_work(given):
    with pytest.raises(SettingError, match=next(iter(given))):
        EngineSettings(**given)
