"""Rounding has sixteen steps at most and half a step of error; scores agree with what they are made of."""

import math

import torch
from measure import HELD_OUT, load, loss_on, quantize_linears, round_to_nearest, score, tokens_of, windows_of
from random_weights import write_random_checkpoint
from small_config import small_config

WINDOWS = 6
PERPLEXITY = 24.0  # bound of the trained model on these windows; it was 21


def test_rounding_error_is_half_a_step():
    weight = torch.randn(4, 256, generator=torch.Generator().manual_seed(0))
    rounded = round_to_nearest(weight)
    for before, after in zip(weight.reshape(-1, 128), rounded.reshape(-1, 128), strict=True):
        step = (before.max() - before.min()) / 15
        assert len(after.unique()) <= 16
        assert (before - after).abs().max() <= step * 1.01
        assert (before - after).abs().median() <= step / 2


def test_values_on_the_grid_stay():
    weight = (torch.arange(16.0) - 5).repeat(8)[None] * 0.25
    assert torch.equal(round_to_nearest(weight), weight)


def test_windows_leave_a_rest():
    assert windows_of(torch.arange(10), 4).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_model_agrees_with_itself_and_less_when_rounded(tmp_path):
    write_random_checkpoint(small_config("Qwen3-0.6B"), tmp_path)
    (model, tokenizer), (rounded, _) = load(tmp_path), load(tmp_path)
    ids = tokens_of(tokenizer, HELD_OUT)[:256]
    same = score(model, model, ids, 64)
    assert (same.divergence, same.agreement) == (0.0, 1.0)
    assert math.isclose(math.log(same.perplexity), loss_on(model, ids, 64), rel_tol=1e-5)
    quantize_linears(rounded)
    other = score(rounded, model, ids, 64)
    assert 0 < other.divergence < 1
    assert 0 < other.agreement < 1


def test_trained_model_is_small_and_predicts(trained):
    assert sum(path.stat().st_size for path in trained.iterdir()) < 25_000_000
    model, tokenizer = load(trained)
    assert len(tokenizer) == model.config.vocab_size == 4096
    assert math.exp(loss_on(model, tokens_of(tokenizer, HELD_OUT)[: WINDOWS * 512])) < PERPLEXITY


def test_trained_model_answers_in_words(trained):
    model, tokenizer = load(trained)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}], add_generation_prompt=True, return_tensors="pt"
    )
    answer = model.generate(**prompt, max_new_tokens=30, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert "Python" in tokenizer.decode(answer)
