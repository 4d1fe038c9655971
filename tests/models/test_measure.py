"""Scores agree with one another, and the trained model predicts and answers."""

import math

import torch
from measure import HELD_OUT, load, loss_on, score, tokens_of, windows_of
from random_weights import write_random_checkpoint
from rounding import quantize_linears
from small_config import small_config

WINDOWS = 6
PERPLEXITY = 24.0  # bound of the trained model on these windows; it was 21


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
