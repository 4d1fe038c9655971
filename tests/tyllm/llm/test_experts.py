"""Mixtures of experts become packages that agree with Hugging Face; what the operator does not do is refused."""

import numpy as np
import pytest
import torch
from tests.tiny_mixture import CONFIG, GPT_OSS, IN_MXFP4, write_mixture
from transformers import AutoConfig, AutoModelForCausalLM

from awq.method.rounding import Scheme, quantize_to_nearest
from awq.stream.dequantize import load_dequantized
from hf_checkpoint.experts import expert_modules, expert_parameters
from tyllm.build_util import build_and_compile_llm
from tyllm.llm.experts import IMPLEMENTATION, Gate, recognized_gate, use_operator
from tyllm.runtime import LLM, SamplingParams, Session
from tyllm_base.errors import UnsupportedError

PROMPT = np.random.default_rng(0).integers(0, 320, 21).tolist()  # tokens: chunks of 8 and of 1


def on_meta(**config):
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(**(CONFIG | config)))


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory):
    """Checkpoints by what they are."""
    kinds = {"qwen2_moe": {}, "gpt_oss": GPT_OSS, "in MXFP4": IN_MXFP4}
    return {kind: write_mixture(tmp_path_factory.mktemp("mixture") / "float", **own) for kind, own in kinds.items()}


def expected_logits(folder, group_size):
    """Hugging Face's logits of `PROMPT`, with weights rounded to INT4 where there is a group size."""
    model = load_dequantized(folder)
    scheme = Scheme(4, group_size) if group_size else None
    weights = [module.weight for module in model.modules() if isinstance(module, torch.nn.Linear)]
    is_transposed = any(module.is_transposed for module in expert_modules(model).values())
    stacks = [stack.mT if is_transposed else stack for stack in expert_parameters(model).values()]
    for weight in [*weights, *stacks] if scheme else []:
        weight.copy_(quantize_to_nearest(weight.flatten(0, -2), scheme).dequantize().reshape(weight.shape))
    with torch.no_grad():
        return model(torch.tensor([PROMPT])).logits[0].numpy()


def cosine(a, b):
    return float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))


ROUNDED = {"quantize": "rtn", "group_size": 32}


@pytest.mark.parametrize(
    ("kind", "dies", "options", "least"),
    [
        ("qwen2_moe", 1, {"activations": "float16"}, 0.9999),
        ("qwen2_moe", 3, {"activations": "float16", "batch_sizes": [3]}, 0.9999),
        ("qwen2_moe", 1, {"activations": "float16", **ROUNDED}, 0.9999),
        ("qwen2_moe", 2, {"activations": "int8", **ROUNDED}, 0.999),
        ("gpt_oss", 1, {"activations": "int8", **ROUNDED}, 0.999),
        ("gpt_oss", 3, {"activations": "float16"}, 0.9999),
        ("in MXFP4", 2, {"activations": "float16", **ROUNDED}, 0.9999),
    ],
    ids=lambda value: value.get("activations") if isinstance(value, dict) else str(value),
)
def test_agrees_with_hugging_face(mixtures, tmp_path, kind, dies, options, least):
    mixture = mixtures[kind]
    expected = expected_logits(mixture, options.get("group_size"))
    package = build_and_compile_llm(mixture, tmp_path / "package", 64, [1, 8], dies, **{"batch_sizes": (), **options})
    with Session(package, threads=2) as session:
        for length in (1, 8, 11, len(PROMPT)):  # by int8 the tenth token chooses another expert of two nearly alike
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
        (lambda e: setattr(e, "is_concatenated", False), "another gate than SiLU or GELU of one half .*"),
        (lambda e: setattr(e, "act_fn", torch.nn.Tanh()), "another gate than SiLU or GELU of one half .*"),
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
    with pytest.raises(UnsupportedError, match="has another gate than SiLU or GELU"):
        use_operator(model)


@pytest.mark.parametrize(
    ("config", "gate"),
    [({}, Gate("silu", 0.0, 0.0)), (GPT_OSS, Gate("quick_gelu", 7.0, 1.0))],
    ids=["plain", "gpt_oss"],
)
def test_a_gate_is_known_by_what_it_computes(config, gate):
    assert recognized_gate(next(iter(expert_modules(on_meta(**config)).values()))) == gate


def test_a_gate_within_limits():
    experts = next(iter(expert_modules(on_meta()).values()))
    experts.limit = 10.0
    experts.__class__ = type("Cut", (type(experts),), {"_apply_gate": cut})
    assert recognized_gate(experts) == Gate("silu", 10.0, 0.0)


def cut(module, gate_up):
    """DeepSeek V4's gate."""
    gate, up = gate_up.chunk(2, dim=-1)
    return module.act_fn(gate.clamp(max=module.limit)) * up.clamp(-module.limit, module.limit)


def test_a_width_of_no_whole_vectors_is_refused():
    with pytest.raises(UnsupportedError, match="has a width that is no multiple of 16, "):
        use_operator(on_meta(moe_intermediate_size=100))
