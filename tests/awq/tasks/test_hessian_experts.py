"""Experts are quantized by the tokens that chose them, and by others where they are few."""

import pytest
import torch
from tests.tiny_mixture import MIXTRAL, write_mixture

from awq import AutoAWQForCausalLM
from awq.stream.dequantize import load_dequantized
from awq.tasks.hessian_experts import FEWEST_TOKENS, tokens_of

CONFIG = {"zero_point": True, "q_group_size": 32, "w_bit": 4, "version": "GEMM"}
CHOSEN = torch.tensor([[0, 1], [1, 2], [2, 0], [1, 0]]).repeat(FEWEST_TOKENS, 1)
WEIGHTS = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.6, 0.4], [0.8, 0.2]]).repeat(FEWEST_TOKENS, 1)


def test_they_are_those_that_chose_it_with_their_weights():
    own = tokens_of(2, CHOSEN, WEIGHTS)
    expected = [row for row in range(len(CHOSEN)) if row % 4 in (1, 2)]
    assert own.rows.tolist() == expected and own.count == len(expected)
    assert (
        own.weights.tolist()
        == WEIGHTS[expected][:, 0].where(CHOSEN[expected][:, 0] == 2, WEIGHTS[expected][:, 1]).tolist()
    )


def test_a_rare_expert_borrows_tokens_from_all_over_the_text():
    chosen = CHOSEN.clone()
    chosen[5, 0], chosen[90, 1] = 7, 7
    own = tokens_of(7, chosen, WEIGHTS)
    assert own.count == 2 and own.rows[:2].tolist() == [5, 90]
    assert len(own.rows) == len(set(own.rows.tolist())) == FEWEST_TOKENS
    assert own.rows[2:].min() == 0 and own.rows.max() == len(chosen) - 1
    assert torch.allclose(own.weights[2:], own.weights[:2].mean())


def test_one_that_nobody_chose_has_borrowed_tokens_only():
    own = tokens_of(9, CHOSEN, WEIGHTS)
    assert own.count == 0 and len(own.rows) == FEWEST_TOKENS and (own.weights == 1).all()


def test_a_text_of_fewer_tokens_than_that_is_borrowed_whole():
    own = tokens_of(2, CHOSEN[:4], WEIGHTS[:4])
    assert sorted(own.rows.tolist()) == [0, 1, 2, 3] and own.count == 2


def random_tokens(samples, length):
    return torch.randint(0, 320, (samples, length), generator=torch.Generator().manual_seed(length))


def quantized(folder, output, tokens, **options):
    model = AutoAWQForCausalLM.from_pretrained(folder)
    calibration = {"calib_data": tokens.tolist(), "max_calib_samples": len(tokens), "max_calib_seq_len": len(tokens[0])}
    model.quantize(None, quant_config=CONFIG, **calibration, **options)
    model.save_quantized(output)
    return model


@pytest.mark.parametrize("changes", [{}, MIXTRAL], ids=["qwen2_moe", "mixtral"])
def test_the_model_is_nearer_than_by_rounding_to_nearest(changes, tmp_path):
    folder = write_mixture(tmp_path / "float", **changes)
    for method in ("tyllm", "rtn"):
        quantized(folder, tmp_path / method, random_tokens(8, 64), method=method)
    tokens = random_tokens(4, 63)
    expected, *found = (load_dequantized(tmp_path / each)(tokens).logits for each in ("float", "tyllm", "rtn"))
    errors = [float((logits - expected).square().mean()) for logits in found]
    assert errors[0] < 0.9 * errors[1], errors


@pytest.mark.parametrize("method", ["tyllm", "awq"])
def test_experts_that_few_tokens_chose_are_named(method, tmp_path):
    folder = write_mixture(tmp_path / "float")
    with pytest.warns(
        UserWarning, match=r"Fewer than 32 .* experts model\.layers\.0\.mlp\.experts\.\d \(\d+\), .*, which"
    ):
        model = quantized(folder, tmp_path / method, random_tokens(1, 16), method=method)
    rare = model.report.rare_experts
    assert len(rare) == 6 and sum(rare.values()) == 2 * 16  # each token chooses two
    assert load_dequantized(tmp_path / method)(random_tokens(1, 20)).logits.isfinite().all()
