"""The shapes are the real ones, but for what costs nothing in a layer."""

import pytest
from baselines.quantization import checkpoints


@pytest.mark.parametrize(("index", "widths"), [(0, (512, 1408, 64)), (1, (2048, 5504, 128))])
def test_shapes(index, widths):
    config = checkpoints.SHAPES[index].config(2)
    head = config["hidden_size"] // config["num_attention_heads"]
    assert (config["hidden_size"], config["intermediate_size"], head) == widths
    assert config["num_hidden_layers"] == 2


def test_checkpoints_are_made_once(monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(checkpoints, "CHECKPOINTS", tmp_path)
    monkeypatch.setattr(checkpoints, "plant", lambda checkpoint, output: (made.append(checkpoint), output.mkdir()))
    for _ in range(2):
        assert checkpoints.trained(checkpoints.PLANTED) == tmp_path / checkpoints.PLANTED
    assert made == [checkpoints.TRAINED]
    assert checkpoints.trained(checkpoints.NATURAL) == checkpoints.TRAINED
