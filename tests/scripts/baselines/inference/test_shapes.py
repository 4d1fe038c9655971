"""The work of a token follows from the config."""

from baselines.inference.shapes import SHAPES


def test_work_per_token_of_qwen2():
    shape = SHAPES[0]
    layer = 896 * 896 * 2 + 896 * 128 * 2 + 3 * 896 * 4864
    assert shape.body_weights() == 24 * layer
    assert shape.bytes_per_token() == (24 * layer + 896 * 151936) * 4.125 / 8


def test_the_vocabulary_is_the_configs():
    assert [shape.vocabulary for shape in SHAPES] == [151936, 151936]
