"""M-RoPE positions beside those of transformers, on random layouts."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from tyllm.runtime.prompt.rope_index import Span, count_on, rope_index, temporal_step

MERGE = 2
SECONDS = (None, 0.3, 1.0, 1.5, 2.0, 7.9)


def layout(rng):
    """(kind, grid in tokens, seconds_per_grid) of each image and video, and the words before each and at the end."""
    seen = []
    for _ in range(rng.integers(1, 6)):
        kind = "video" if rng.random() < 0.4 else "image"
        t = int(rng.integers(1, 6)) if kind == "video" else 1
        grid = (t, int(rng.integers(1, 7)), int(rng.integers(1, 7)))
        seen.append((kind, grid, SECONDS[rng.integers(1, len(SECONDS))] if kind == "video" else None))
    words = [int(count) for count in rng.integers(1, 9, len(seen) + 1)]
    words[0] *= int(rng.integers(0, 2))  # an image at the very start
    words[-1] *= int(rng.integers(0, 2))  # and at the very end
    return seen, words


def theirs(family, seen, words, tokens_per_second):
    """What get_rope_index gives: positions [3, n] and the delta."""
    import torch

    if family == "qwen2_vl":
        from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLModel as Model
    else:
        from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel as Model
    types = [[0] * words[0]]
    for (kind, grid, _), after in zip(seen, words[1:], strict=True):
        types += [[1 if kind == "image" else 2] * int(np.prod(grid)), [0] * after]
    types = torch.tensor([list(itertools.chain(*types))])

    def grids(wanted):
        found = [(g[0], g[1] * MERGE, g[2] * MERGE) for kind, g, _ in seen if kind == wanted]
        return torch.tensor(found) if found else None

    vision = SimpleNamespace(spatial_merge_size=MERGE, tokens_per_second=tokens_per_second)
    model = SimpleNamespace(config=SimpleNamespace(vision_config=vision))
    model.get_vision_position_ids = lambda *a, **k: Model.get_vision_position_ids(model, *a, **k)
    options = {} if family == "qwen2_vl" else {
        "second_per_grid_ts": torch.tensor([seconds for kind, _, seconds in seen if kind == "video"])
    }  # fmt: skip
    places, delta = Model.get_rope_index(model, types, types, grids("image"), grids("video"), **options)
    return places[:, 0].numpy(), int(delta)


def ours(seen, words, tokens_per_second):
    spans, at = [], words[0]
    for (_, grid, seconds), after in zip(seen, words[1:], strict=True):
        spans.append(Span(at, grid, temporal_step(seconds, tokens_per_second)))
        at += spans[-1].count + after
    return rope_index(at, spans)


@pytest.mark.parametrize(("family", "tokens_per_second"), [("qwen2_vl", None), ("qwen2_5_vl", 2), ("qwen2_5_vl", 4)])
def test_positions_are_those_of_transformers(family, tokens_per_second):
    rng = np.random.default_rng(11)
    for _ in range(100):
        seen, words = layout(rng)
        places, delta = theirs(family, seen, words, tokens_per_second)
        found = ours(seen, words, tokens_per_second)
        assert np.array_equal(found, places)
        assert count_on(found, 3)[0].tolist() == [found.shape[1] + delta + i for i in range(3)]


def test_text_alone_counts():
    assert rope_index(4, []).tolist() == [[0, 1, 2, 3]] * 3
    assert count_on(rope_index(4, []), 2).tolist() == [[4, 5]] * 3
    assert rope_index(0, []).shape == count_on(rope_index(0, []), 0).shape == (3, 0)


def test_adjacent_images_stand_one_behind_the_other():
    places = rope_index(5, [Span(0, (1, 2, 1)), Span(2, (1, 1, 2))])
    assert places.tolist() == [[0, 0, 2, 2, 4], [0, 1, 2, 2, 4], [0, 0, 2, 3, 4]]


def test_an_image_has_no_seconds_and_qwen2_vl_counts_patches():
    assert temporal_step(None, 2) == temporal_step(3.0, None) == 1
    assert temporal_step(3.0, 2) == 6
