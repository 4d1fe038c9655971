"""The distribution of sampled tokens with drafts is the one without: texts of the toy model; and the test's own."""

from collections import Counter

import pytest
from tests.serving.sampled_tokens import bins, chi_square, draw, upper_tail

COUNT = 400
LOOKED_UP = {"temperature": 6.0, "allowed_token_ids": [1, 2, 3, 4]}
LIKELY = {"temperature": 1.2, "top_k": 4}
PROMPT = [1, 2, 3, 4, 1, 3, 2, 4, 4, 2, 1, 1, 3, 3, 1, 4, 3, 4, 1, 2]


@pytest.fixture(scope="module")
def package(toy):
    return toy(dies=1, batch_sizes=(8,))


@pytest.mark.parametrize(("way", "options"), [("prompt_lookup_num_tokens", LOOKED_UP), ("draft_model", LIKELY)])
def test_drafts_change_no_distribution(package, way, options):
    drafts = {way: 3 if way == "prompt_lookup_num_tokens" else package}
    plain = draw(package, PROMPT, COUNT, 0, options, max_num_seqs=8)
    found = draw(package, PROMPT, COUNT, COUNT, options, max_num_seqs=2, **drafts)
    assert found.drafted > COUNT and COUNT / 4 < found.accepted < found.drafted
    result = chi_square(plain.counts, found.counts)
    assert result.degrees > 20 and result.p > 0.01
    if way == "draft_model":
        other = draw(package, PROMPT, COUNT, COUNT, options | {"temperature": 0.2}, max_num_seqs=8)
        assert chi_square(plain.counts, other.counts).p < 0.001


def test_texts_that_are_rare_are_counted_with_those_that_begin_as_they_do():
    counts = Counter({(1, 1, 1): 20, (1, 1, 2): 6, (1, 1, 3): 5, (1, 2, 1): 3, (1, 3, 1): 9, (2, 1, 1): 4})
    assert bins(counts) == [[(1, 1, 1)], [(1, 1, 2), (1, 1, 3)], [(1, 2, 1), (1, 3, 1), (2, 1, 1)]]
    assert bins(Counter({(1, 1, 1): 3})) == []


@pytest.mark.parametrize(
    ("statistic", "degrees", "p"),
    [(3.841459, 1, 0.05), (6.634897, 1, 0.01), (5.991465, 2, 0.05), (18.307038, 10, 0.05), (24.995790, 15, 0.05),
     (1106.96895, 1000, 0.01), (0.0, 5, 1.0)],
)  # fmt: skip
def test_the_tail_of_chi_square(statistic, degrees, p):
    assert upper_tail(statistic, degrees) == pytest.approx(p, rel=1e-4)
