"""The rotary positions are a program without weights that computes Hugging Face's cosines and sines."""

import torch

from tyllm.llm.vision.rotary_positions import RotaryPositions, capture_rotary, language_model_of


def test_rotary_positions_have_no_weights(model):
    captured = capture_rotary(model, 16)
    assert captured.inputs == ["positions"] and not captured.parameters


def test_cosines_and_sines_side_by_side(model):
    rotary = language_model_of(model).rotary_emb
    positions = torch.arange(15, dtype=torch.int32).reshape(3, 5)
    cos, sin = rotary(torch.empty(0), positions.unsqueeze(1))
    found = RotaryPositions(rotary)(positions)
    half = cos.shape[-1] // 2
    assert found.shape == (5, 2, half)
    assert torch.equal(found[:, 0], cos[0, :, :half])
    assert torch.equal(found[:, 1], sin[0, :, :half])
