"""Every architecture, small and random: quantized, compiled for 1 to 4 dies, compared with Hugging Face's own model."""

import numpy as np
import pytest
import torch
from models.random_weights import write_random_checkpoint
from models.small_config import small_config

from awq import AutoAWQForCausalLM
from awq.stream.dequantize import load_dequantized
from tyllm.build_util import build_and_compile_llm
from tyllm.runtime import Session

# The architectures that TyLLM names, with what is special about each.
NAMED = [
    "Qwen1.5-1.8B",  # biases, as many KV heads as heads, untied
    "Qwen2-0.5B",  # tied head, 7 heads a KV head
    "Qwen2-7B",  # 28 heads in 4 groups, an odd vocabulary
    "Qwen3-0.6B",  # q/k norms
    "Llama-3.1-8B",  # rope scaling
    "Mistral-7B-v0.1",  # a sliding window
]
# Decoders that nobody wrote a line for: they simply go through the attention interface.
OTHERS = [
    "gemma-2-2b",  # soft caps, norms around each block, a scaled embedding
    "Phi-3-mini-4k-instruct",  # joined projections, whole on every die
    "OLMo-2-1124-7B",  # norms over all heads
    "starcoder2-3b",  # LayerNorm, an MLP without a gate
]
WITH_INT8 = ("Qwen1.5-1.8B", "Qwen2-7B", "gemma-2-2b")
"""Those that are compiled with int8 activations in each run; the others by `make test-long`."""
PROMPT = 37  # tokens: chunks of 16 and of 1


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """`checkpoints(name)`: the small random checkpoint of that name, INT4 by rounding, and its float32 model."""
    made = {}

    def get(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            write_random_checkpoint(small_config(name), folder / "float")
            model = AutoAWQForCausalLM.from_pretrained(folder / "float", torch_dtype="float16")
            config = {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM"}
            vocabulary = model.config["vocab_size"]
            head = vocabulary % 8 == 0  # AutoAWQ's format packs eight outputs to a word
            model.quantize(None, quant_config=config | {"lm_head_enable": head}, method="rtn")
            model.save_quantized(folder / "int4")
            made[name] = folder, load_dequantized(folder / "int4"), vocabulary
        return made[name]

    return get


def cosine(a, b):
    return float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))


def compiled(folder, dies, activations):
    """The package of the INT4 checkpoint in `folder`, compiled once."""
    output = folder / f"{dies}die-{activations}"
    if output.exists():
        return output
    settings = {"max_kv_cache_size": 96, "seq_len_list": [1, 16], "activations": activations}
    return build_and_compile_llm(folder / "int4", output, dev_count=dies, **settings)


def compare(package, model, vocabulary, least):
    """Logits of prompts of several lengths against Hugging Face's; the greedy continuation."""
    tokens = np.random.default_rng(0).integers(0, vocabulary, PROMPT).tolist()
    with torch.no_grad():
        expected = model(torch.tensor([tokens])).logits[0].numpy()
    with Session(package, threads=2) as session:
        for length in (1, 16, 18, PROMPT):
            found = session.logits(tokens[:length])
            assert found.shape == expected[0].shape
            assert cosine(found, expected[length - 1]) >= least, f"{length} tokens"
        return session.generate(tokens, max_new_tokens=8, eos_token_ids=()).token_ids


# The text is compared with float activations: with int8 ones a last bit that differs between two orders of summation
# makes an activation round the other way now and then, and on random weights, whose best tokens lie close, it shows.
@pytest.mark.parametrize("several", [(1, 3), pytest.param((1, 2, 4), marks=pytest.mark.long)], ids=str)
@pytest.mark.parametrize("name", NAMED)
def test_dies_agree_with_each_other_and_with_hugging_face(checkpoints, name, several):
    folder, model, vocabulary = checkpoints(name)
    texts = {dies: compare(compiled(folder, dies, "float16"), model, vocabulary, 0.9999) for dies in several}
    assert all(text == texts[1] for text in texts.values()), texts


@pytest.mark.parametrize("name", OTHERS)
def test_decoders_that_nobody_named(checkpoints, name):
    folder, model, vocabulary = checkpoints(name)
    texts = {dies: compare(compiled(folder, dies, "float16"), model, vocabulary, 0.9999) for dies in (1, 3)}
    assert texts[1] == texts[3]


@pytest.mark.parametrize(
    "name",
    [name if name in WITH_INT8 else pytest.param(name, marks=pytest.mark.long) for name in NAMED + OTHERS],
)
def test_int8_activations_stay_close(checkpoints, name):
    folder, model, vocabulary = checkpoints(name)
    compare(compiled(folder, 2, "int8"), model, vocabulary, 0.999)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", pytest.param("float32", marks=pytest.mark.long)])
def test_plain_checkpoints_of_every_float_type(tmp_path, dtype):
    write_random_checkpoint(small_config("Qwen2-7B"), tmp_path / "float", dtype=dtype)
    package = build_and_compile_llm(tmp_path / "float", tmp_path / "package", 96, [1, 16], dev_count=2)
    compare(package, load_dequantized(tmp_path / "float"), small_config("Qwen2-7B")["vocab_size"], 0.9999)


def test_rounding_on_the_fly_is_rounding_before(checkpoints):
    folder, _, _ = checkpoints("Qwen1.5-1.8B")
    settings = {"max_kv_cache_size": 96, "seq_len_list": [1, 16], "quantize": "rtn"}
    package = build_and_compile_llm(folder / "float", folder / "rounded", dev_count=2, **settings)
    tokens = list(range(40))
    with Session(package) as rounded, Session(compiled(folder, 2, "int8")) as quantized:
        assert cosine(rounded.logits(tokens), quantized.logits(tokens)) > 0.99999


def test_embeddings_as_input_give_the_same_logits(checkpoints):
    folder, model, vocabulary = checkpoints("Qwen1.5-1.8B")
    settings = {"max_kv_cache_size": 96, "seq_len_list": [1, 16], "embedding_as_input": True}
    package = build_and_compile_llm(folder / "int4", folder / "embeddings", dev_count=2, **settings)
    compare(package, model, vocabulary, 0.999)


def test_an_int8_cache_stays_close_and_comes_back(checkpoints):
    folder, model, vocabulary = checkpoints("Qwen2-7B")
    settings = {"max_kv_cache_size": 96, "seq_len_list": [1, 16], "activations": "float16", "kv_cache_dtype": "int8"}
    package = build_and_compile_llm(folder / "int4", folder / "small-cache", dev_count=3, **settings)
    compare(package, model, vocabulary, 0.999)
    with Session(package) as session:
        conversation = session.conversation()
        conversation.append(list(range(21)))
        saved, expected = conversation.save(), conversation.append([5])
        conversation.append(list(range(40)))
        conversation.restore(saved)
        assert np.array_equal(conversation.append([5]), expected)
        conversation.rewind(21)
        assert np.array_equal(conversation.append([5]), expected)
