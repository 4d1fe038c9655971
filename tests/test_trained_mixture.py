"""The small trained mixture of experts through the whole path: quantized, on one, three and four dies, perplexity."""

import math

import pytest
import torch
from models.measure import load, score, tokens_of

from awq import AutoAWQForCausalLM
from awq.stream.dequantize import load_dequantized
from tyllm.build_util import build_and_compile_llm
from tyllm.runtime import Session

CONFIG = {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM", "lm_head_enable": True}
WINDOW = 256
TOKENS = 4 * WINDOW


@pytest.fixture(scope="module")
def mixture(repo):
    return repo / "models" / "tyllm-moe-6m"


@pytest.fixture(scope="module")
def held_out(repo, mixture):
    """Tokens of text that the model has not seen."""
    return tokens_of(load(mixture)[1], repo / "models" / "heldout.txt")[:TOKENS]


@pytest.fixture(scope="module")
def quantized(mixture, tmp_path_factory):
    """`quantized(method)`: the model in INT4, the head too; once for each."""
    folder = tmp_path_factory.mktemp("mixture")

    def get(method):
        if not (folder / method).exists():
            model = AutoAWQForCausalLM.from_pretrained(mixture)
            model.quantize(quant_config=CONFIG, method=method, max_calib_samples=8)
            model.save_quantized(folder / method)
        return folder / method

    return get


def perplexity(package, tokens):
    with Session(package) as session:
        windows = tokens.reshape(-1, WINDOW).tolist()
        return math.exp(-sum(float(session.score(window).sum()) for window in windows) / (len(windows) * (WINDOW - 1)))


@pytest.mark.parametrize("dies", [1, 3, 4])
def test_compiled_perplexity_is_that_of_hugging_face(dies, quantized, held_out, tmp_path):
    model = load_dequantized(quantized("tyllm"))
    expected = score(model, model, held_out, WINDOW).perplexity
    build_and_compile_llm(quantized("tyllm"), tmp_path / "package", 256, [16], dies, activations="float16")
    assert perplexity(tmp_path / "package", held_out) == pytest.approx(expected, rel=0.003)


def test_calibrated_it_is_nearer_than_rounded(mixture, quantized, held_out):
    reference = load_dequantized(mixture)
    found = {each: score(load_dequantized(quantized(each)), reference, held_out, WINDOW) for each in ("tyllm", "rtn")}
    assert found["tyllm"].divergence < 0.7 * found["rtn"].divergence
    assert found["tyllm"].perplexity < 1.02 * score(reference, reference, held_out, WINDOW).perplexity


def test_every_expert_is_chosen(mixture, held_out):
    model = load_dequantized(mixture)
    with torch.no_grad():
        logits = model(held_out.reshape(-1, WINDOW), output_router_logits=True).router_logits
    for layer in logits:
        shares = layer.topk(2).indices.flatten().bincount(minlength=8) / (2 * TOKENS)
        assert shares.min() > 0.001 and shares.max() < 0.4
