"""What becomes of each linear layer."""

import torch

from awq.quant_config import QuantConfig
from awq.recipe import Recipe
from awq.stream.meta_model import MetaModel
from awq.tasks.linear_layers import linear_layers
from hf_checkpoint.checkpoint import Checkpoint


def test_linear_layers_in_order_and_the_head_last(checkpoint):
    model = MetaModel.build(Checkpoint.open(checkpoint("qwen2")), torch.device("cpu"))
    config = QuantConfig(
        q_group_size=64,
        format="compressed-tensors",
        modules_to_not_convert=("layers.1.",),
        overrides={"model.layers.0.mlp.down_proj": 8},
    )
    found = linear_layers(model, Recipe(config, "tyllm", torch.zeros(1, 1, dtype=torch.int64)))
    names = [linear.name.rpartition(".")[2] for linear in found]
    assert names[:7] == ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    assert [linear.bits for linear in found] == [4] * 6 + [8] + [16] * 8
    assert (found[-1].name, found[-1].weights, found[-1].nbytes(config.format)) == ("lm_head", 96 * 128, 2 * 96 * 128)
    assert found[6].nbytes(config.format) == 128 * 192 + 3 * 128 * 2 + 3 * 128 + 16  # codes, scales, zeros, shape
