"""Placeholders become as many tokens as their images have embeddings."""

from types import SimpleNamespace

import numpy as np
import pytest

from tyllm.package import ImageSize, Visual
from tyllm.runtime.prompt.placeholders import check_room, fill_placeholders
from tyllm_base.errors import GenerationError

TOKENS = {"image": 7, "video": 8, "start": 5, "end": 6}
VISUAL = Visual(1, (0,), (), 2, TOKENS, 2.0)


def seen(grid, digest, seconds=None, note=None):
    tokens = grid[0] * grid[1] * grid[2] // 4
    return SimpleNamespace(grid=grid, tokens=tokens, digest=digest, seconds_per_grid=seconds, message=note)


def fill(tokens, images=(), videos=()):
    calls = []

    def embeddings(fitted):
        calls.append(fitted.digest)
        return np.full((fitted.tokens, 3), len(calls), np.float32)

    return fill_placeholders(tokens, VISUAL, 3, images, videos, embeddings, lambda token: f"<{token}>"), calls


def test_images_and_videos_take_their_own_placeholders():
    images = [seen((1, 4, 4), "a", note="padded"), seen((1, 2, 4), "b")]
    prompt, calls = fill([1, 7, 8, 2, 7], images, [seen((2, 2, 2), "v", 2.0)])
    assert prompt.tokens == [1, 7, 7, 7, 7, 8, 8, 2, 7, 7]
    assert [(i.start, i.shape, i.digest) for i in prompt.inserts] == [
        (1, (4, 3), "a"),
        (5, (2, 3), "v"),
        (8, (2, 3), "b"),
    ]
    assert prompt.rope_positions.tolist() == [
        [0, 1, 1, 1, 1, 3, 7, 4, 5, 5], [0, 1, 1, 2, 2, 3, 3, 4, 5, 5], [0, 1, 2, 1, 2, 3, 3, 4, 5, 6]
    ]  # fmt: skip
    assert prompt.notes == ["padded"] and calls == []
    prompt.compute_embeddings()
    prompt[3:].compute_embeddings()
    assert calls == ["a", "v", "b"]


def test_text_alone_stays_as_it_is():
    prompt, _ = fill([1, 2, 3])
    assert (prompt.tokens, prompt.inserts, prompt.rope_positions.tolist()) == ([1, 2, 3], (), [[0, 1, 2]] * 3)


@pytest.mark.parametrize(
    ("tokens", "images", "videos", "words"),
    [
        ([1], 1, 0, r"0 placeholders <7> for 1 image; write one where each image belongs"),
        ([7, 7, 1], 1, 0, r"2 placeholders <7> for 1 image;"),
        ([7], 0, 0, r"1 placeholder <7> for 0 images;"),
        ([7], 1, 2, r"0 placeholders <8> for 2 videos; write one where each video belongs"),
    ],
)
def test_placeholders_that_do_not_match(tokens, images, videos, words):
    images = [seen((1, 2, 2), "a")] * images, [seen((1, 2, 2), "v", 1.0)] * videos
    with pytest.raises(GenerationError, match=words):
        fill(tokens, *images)


@pytest.mark.parametrize("seconds", [1e7, 1e300])
def test_a_video_longer_than_positions_tell(seconds):
    with pytest.raises(GenerationError, match=r"has 2 times \S+ s, longer than positions can tell; check its rate"):
        fill([8], videos=[seen((2, 2, 2), "v", seconds)])
    assert fill([8], videos=[seen((2, 2, 2), "v", 1e6)])[0].rope_positions.max() == 2_000_000


def test_images_that_cannot_fit_are_refused_by_their_number():
    visual = Visual(1, (0,), (ImageSize(56, 56, (4, 4)), ImageSize(84, 84, (6, 6))), 2, TOKENS, 2.0)
    check_room(10, visual, 10, 40)
    with pytest.raises(GenerationError, match="11 images or videos of at least 4 tokens each do not fit into the 40"):
        check_room(11, visual, 11, 40)
