"""The small trained model through the whole path: AWQ, one to four dies, text, perplexity, logits."""

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
TOKENS = 8 * WINDOW


@pytest.fixture(scope="module")
def held_out(repo, trained):
    """Tokens of text that the model has not seen."""
    return tokens_of(load(trained)[1], repo / "models" / "heldout.txt")[:TOKENS]


@pytest.fixture(scope="module")
def int4(trained, tmp_path_factory):
    """The model quantized with AWQ, the head too."""
    output = tmp_path_factory.mktemp("trained") / "awq"
    model = AutoAWQForCausalLM.from_pretrained(trained, torch_dtype="float16")
    model.quantize(quant_config=CONFIG)
    model.save_quantized(output)
    return output


@pytest.fixture(scope="module")
def package(int4):
    """`package(dies, activations)`: the quantized model, compiled once for each."""

    def get(dies, activations="int8"):
        output = int4.with_name(f"{dies}die-{activations}")
        if not output.exists():
            build_and_compile_llm(int4, output, 1024, [1, 8], dies, activations=activations)
        return output

    return get


def perplexity(package, tokens):
    with Session(package) as session:
        windows = tokens.reshape(-1, WINDOW).tolist()
        return math.exp(-sum(float(session.score(window).sum()) for window in windows) / (len(windows) * (WINDOW - 1)))


@pytest.mark.parametrize("several", [(1, 2, 3), pytest.param((1, 4), marks=pytest.mark.long)], ids=str)
def test_every_number_of_dies_writes_the_same_text(package, several):
    texts = {}
    for dies in several:
        with Session(package(dies)) as session:
            texts[dies] = session.generate("The function returns", max_new_tokens=24).text
    assert all(text == texts[1] for text in texts.values()), texts
    assert len(texts[1].split()) > 5


@pytest.mark.parametrize("activations", ["int8", "float16"])
def test_compiled_perplexity_is_that_of_hugging_face(package, int4, held_out, activations):
    expected = score(load_dequantized(int4), load_dequantized(int4), held_out, WINDOW).perplexity
    assert perplexity(package(2, activations), held_out) == pytest.approx(expected, rel=0.005)


def test_logits_are_those_of_hugging_face(package, int4, held_out):
    prompt = held_out[:100]
    with torch.no_grad():
        expected = load_dequantized(int4)(prompt[None]).logits[0, -1]
    for activations, least in (("int8", 0.999), ("float16", 0.9999)):
        with Session(package(3, activations)) as session:
            found = torch.from_numpy(session.logits(prompt.tolist()))
        assert torch.cosine_similarity(found, expected, dim=0) >= least, activations
