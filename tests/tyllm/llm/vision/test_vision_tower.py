"""The vision tower is captured from Hugging Face's code, with all that follows from the grid as constants."""

import torch

from hf_checkpoint.vision_tower import find_tower
from tyllm.llm.vision.vision_tower import capture_tower


def test_the_tower_takes_patches_and_gives_a_token_for_four(model):
    captured = capture_tower(find_tower(model), (4, 6))
    assert captured.inputs == ["patches"]
    (output,) = next(node for node in captured.graph_module.graph.nodes if node.op == "output").args[0]
    assert tuple(output.meta["val"].shape) == (6, model.config.get_text_config().hidden_size)
    names = {name for name, _ in model.named_parameters() if ".visual." in name}
    assert set(captured.parameters.values()) == names


def test_attention_is_of_packed_sequences(model):
    captured = capture_tower(find_tower(model), (8, 12))
    nodes = captured.graph_module.graph.nodes
    calls = [node for node in nodes if node.target is torch.ops.tytvm.segment_attention.default]
    bounds = [captured.constants[call.args[3].name].tolist() for call in calls]
    if model.config.model_type == "qwen2_vl":
        assert bounds == [[0, 96]] * len(calls)
    else:
        full = model.config.vision_config.fullatt_block_indexes
        assert [len(each) == 2 for each in bounds] == [layer in full for layer in range(len(calls))]
