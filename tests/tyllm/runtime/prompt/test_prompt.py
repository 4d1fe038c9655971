"""Prompts: slices through images, embeddings in their places, keys."""

import numpy as np

from tyllm.runtime.prompt.prompt import UNKNOWN, Insert, Prompt

ROWS = np.arange(8, dtype=np.float32).reshape(4, 2)


def look_up(tokens):
    return -np.repeat(np.asarray(tokens, np.float32)[:, None], 2, axis=1)


def with_image(calls=None):
    """Tokens 1 2 [4 of an image] 3."""

    def compute():
        if calls is not None:
            calls.append(1)
        return ROWS

    positions = np.arange(21, dtype=np.int32).reshape(3, 7)
    return Prompt([1, 2, 9, 9, 9, 9, 3], (Insert(2, (4, 2), compute, "d", "padded"),), positions, 0.5)


def test_an_image_stands_in_the_place_of_its_tokens():
    assert with_image().embeddings(look_up).tolist() == [[-1, -1], [-2, -2], *ROWS.tolist(), [-3, -3]]
    assert with_image().keys() == [1, 2, ("d", 0), ("d", 1), ("d", 2), ("d", 3), 3]


def test_every_slice_is_that_part_of_the_whole():
    whole = with_image()
    for start in range(8):
        for stop in range(start, 8):
            part = whole[start:stop]
            assert list(part.tokens) == whole.tokens[start:stop]
            assert part.keys() == whole.keys()[start:stop]
            assert np.array_equal(part.embeddings(look_up).reshape(-1, 2), whole.embeddings(look_up)[start:stop])
            assert np.array_equal(part.rope_positions, whole.rope_positions[:, start:stop])
            assert part[1:].keys() == whole.keys()[start:stop][1:]
    assert (whole[:2].notes, whole[3:4].notes) == ([], ["padded"])


def test_computing_embeddings_computes_what_is_inserted_and_says_how_long():
    calls, reports = [], []
    assert with_image(calls).compute_embeddings(lambda *report: reports.append(report)) > 0
    assert calls == [1] and reports == [(0, 1, "images")]
    assert with_image(calls)[:2].compute_embeddings() == 0.0 and calls == [1]


def test_token_ids_and_embeddings_become_prompts():
    assert Prompt.of(np.asarray([3, 4])).tokens == [3, 4]
    assert Prompt.of(Prompt([1])) == Prompt([1])
    made = Prompt.of(ROWS.astype(np.float64))
    assert made.tokens == made.keys() == [UNKNOWN] * 4
    assert np.array_equal(made.embeddings(look_up), ROWS)
