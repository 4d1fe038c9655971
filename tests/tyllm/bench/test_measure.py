"""Trials feed what their names say; rates have a mean and a deviation."""

import pytest

from tyllm.bench.measure import Rates, Trial, check_room, measure, trials_of
from tyllm.runtime import Session
from tyllm_base.errors import GenerationError


def test_every_count_at_every_depth():
    names = [str(trial) for trial in trials_of([512, 0], [128], [0, 64])]
    assert names == ["pp512", "tg128", "pp512 @ d64", "tg128 @ d64"]


def test_mean_and_deviation():
    assert Rates((1.0, 2.0, 3.0)).mean == 2.0
    assert Rates((1.0, 2.0, 3.0)).deviation == pytest.approx(1.0)
    assert Rates((5.0,)).deviation == 0.0


@pytest.mark.parametrize(("kind", "fed"), [("pp", [[3], [9], [9], [9]]), ("tg", [[3], [1] * 2, [1] * 9, [1] * 9])])
def test_what_is_fed(benched, monkeypatch, kind, fed):
    from tyllm.runtime.generation.conversation import Conversation

    steps, runs = [], []
    append = Conversation.append

    def spy(self, tokens):
        steps.append((len(self), len(tokens)))
        return append(self, tokens)

    monkeypatch.setattr(Conversation, "append", spy)
    repetitions = 3 if kind == "pp" else 2
    with Session(benched) as session:
        rates = measure(session, Trial(kind, 9, 3), repetitions - (kind == "pp"), lambda: runs.append(len(steps)))
    starts = [0, *runs]
    parts = [steps[:1]] + [steps[max(a, 1) : b] for a, b in zip(starts, runs, strict=False)]
    assert [[count for _, count in part] for part in parts] == fed
    assert all(part[0][0] == 3 for part in parts[1:])
    assert len(rates.samples) == len(runs) - 1
    assert min(rates.samples) > 0


def test_the_cache_must_have_room(benched):
    with Session(benched) as session:
        check_room([Trial("pp", 60, 4)], session)
        with pytest.raises(GenerationError, match=r"pp60 @ d5 wants 65 tokens in a cache of 64; give fewer"):
            check_room([Trial("pp", 60, 4), Trial("pp", 60, 5)], session)
