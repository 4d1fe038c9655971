"""The shapes are the real ones, but for what costs nothing in a layer."""

import pytest


@pytest.mark.parametrize(("index", "widths"), [(0, (512, 1408, 64)), (1, (2048, 5504, 128))])
def test_shapes(quantizers, index, widths):
    config = quantizers("subjects").SHAPES[index].config(2)
    head = config["hidden_size"] // config["num_attention_heads"]
    assert (config["hidden_size"], config["intermediate_size"], head) == widths
    assert config["num_hidden_layers"] == 2


def test_what_is_made_is_made_once_and_whole(quantizers, tmp_path):
    made = quantizers("subjects").made

    def fails(folder):
        folder.mkdir()
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        made(tmp_path / "folder", fails)
    assert not (tmp_path / "folder").exists()
    (tmp_path / "folder").mkdir()
    assert made(tmp_path / "folder", fails) == tmp_path / "folder"
