"""Mixtures of experts become packages that agree with Hugging Face; what the operator does not do is refused."""

import numpy as np
import pytest
import torch
from tests.tiny_mixture import CONFIG, write_mixture
from transformers import AutoConfig, AutoModelForCausalLM

from awq.method.rounding import Scheme, quantize_to_nearest
from awq.stream.dequantize import load_dequantized
from hf_checkpoint.experts import expert_modules, expert_parameters
from tyllm.build_util import build_and_compile_llm
from tyllm.llm.experts import IMPLEMENTATION, use_operator
from tyllm.runtime import LLM, SamplingParams, Session
from tyllm_base.errors import UnsupportedError

PROMPT = np.random.default_rng(0).integers(0, 320, 21).tolist()  # tokens: chunks of 8 and of 1


def on_meta(**config):
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(**(CONFIG | config)))


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    """A checkpoint."""
    return write_mixture(tmp_path_factory.mktemp("mixture") / "float")


def expected_logits(folder, group_size):
    """Hugging Face's logits of `PROMPT`, with weights rounded to INT4 where there is a group size."""
    model = load_dequantized(folder)
    scheme = Scheme(4, group_size) if group_size else None
    weights = [module.weight for module in model.modules() if isinstance(module, torch.nn.Linear)]
    for weight in [*weights, *expert_parameters(model).values()] if scheme else []:
        weight.copy_(quantize_to_nearest(weight.flatten(0, -2), scheme).dequantize().reshape(weight.shape))
    with torch.no_grad():
        return model(torch.tensor([PROMPT])).logits[0].numpy()


def cosine(a, b):
    return float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize(
    ("dies", "options", "least"),
    [
        (1, {"activations": "float16"}, 0.9999),
        (3, {"activations": "float16", "batch_sizes": [3]}, 0.9999),
        (1, {"activations": "float16", "quantize": "rtn", "group_size": 32}, 0.9999),
        (2, {"activations": "int8", "quantize": "rtn", "group_size": 32}, 0.999),
    ],
    ids=["one die", "three dies", "INT4", "int8 activations"],
)
def test_agrees_with_hugging_face(mixture, tmp_path, dies, options, least):
    expected = expected_logits(mixture, options.get("group_size"))
    package = build_and_compile_llm(mixture, tmp_path / "package", 64, [1, 8], dies, **options)
    with Session(package, threads=2) as session:
        for length in (1, 8, 10, len(PROMPT)):
            assert cosine(session.logits(PROMPT[:length]), expected[length - 1]) >= least, f"{length} tokens"
        alone = session.generate(PROMPT, max_new_tokens=5, eos_token_ids=()).token_ids
    if "batch_sizes" in options:  # two sequences in a batch of three: the third row chooses no expert
        params = SamplingParams(temperature=0, max_new_tokens=5, ignore_eos=True)
        with LLM(package) as llm:
            texts = llm.generate([PROMPT, PROMPT[:9]], params)
        assert texts[0].outputs[0].token_ids == alone


def test_the_router_stays_the_models_own():
    model = on_meta()
    use_operator(model)
    assert model.config._experts_implementation == IMPLEMENTATION


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda e: setattr(e, "has_gate", False), "experts without a gate"),
        (lambda e: setattr(e, "has_bias", True), "experts with biases"),
        (lambda e: setattr(e, "is_transposed", True), "transposed experts"),
        (lambda e: setattr(e, "is_concatenated", False), "gates between the ups"),
        (lambda e: setattr(e, "act_fn", torch.nn.Tanh()), "another activation than SiLU or GELU"),
        (lambda e: delattr(e, "has_gate"), "experts that transformers does not let others compute"),
    ],
)
def test_other_experts_are_refused(change, reason):
    model = on_meta()
    change(next(iter(expert_modules(model).values())))
    with pytest.raises(UnsupportedError, match=rf"model\.layers\.0\.mlp\.experts \(Qwen2MoeExperts\) has {reason}, "):
        use_operator(model)


def test_a_gate_of_its_own_is_refused():
    model = on_meta()
    experts = next(iter(expert_modules(model).values()))
    experts.__class__ = type("OwnExperts", (type(experts),), {"_apply_gate": lambda self, x: x})
    with pytest.raises(UnsupportedError, match="has a gate of its own, "):
        use_operator(model)


def test_a_width_of_no_whole_vectors_is_refused():
    with pytest.raises(UnsupportedError, match="has a width that is no multiple of 16, "):
        use_operator(on_meta(moe_intermediate_size=100))
