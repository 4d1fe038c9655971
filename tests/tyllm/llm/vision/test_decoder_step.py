"""The decoder of a vision-language model is captured without its tower and its rotary positions."""

from tyllm.llm.vision.decoder_step import capture_decoder_step
from tyllm.llm.vision.rotary_positions import language_model_of
from tyllm.package.step_shape import StepShape


def test_the_decoder_takes_embeddings_and_rotary_rows(model):
    captured = capture_decoder_step(model, StepShape(1, 4), 4)
    assert captured.inputs == ["embeddings", "rope_param", "row"]
    assert not any(".visual." in name for node, name in captured.parameters.items() if _is_read(captured, node))


def test_the_model_has_its_own_rotary_embedding_again(model):
    before = language_model_of(model).rotary_emb
    capture_decoder_step(model, StepShape(1, 1), 1)
    assert language_model_of(model).rotary_emb is before


def _is_read(captured, name):
    return any(node.name == name and node.users for node in captured.graph_module.graph.nodes)
