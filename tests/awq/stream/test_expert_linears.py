"""Experts apart compute what transformers' stacks of them compute, and are quantized under the checkpoint's names."""

import pytest
import torch
from tests.tiny_mixture import GPT_OSS, IN_MXFP4, MIXTRAL, write_mixture

from awq import AutoAWQForCausalLM
from awq.stream.dequantize import load_dequantized
from awq.stream.expert_linears import ExpertLinears, linear_routers
from awq.stream.load_quantized import load_quantized
from awq.stream.meta_model import MetaModel
from awq.stream.streamed_model import StreamedModel
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.experts import expert_modules
from tyllm.build_util import build_and_compile_llm
from tyllm.runtime import Session

CONFIG = {"zero_point": True, "q_group_size": 32, "w_bit": 4, "version": "GEMM"}


@pytest.fixture(
    scope="module", params=[{}, MIXTRAL, GPT_OSS, IN_MXFP4], ids=["qwen2_moe", "mixtral", "gpt_oss", "in MXFP4"]
)
def mixture(request, tmp_path_factory):
    return write_mixture(tmp_path_factory.mktemp("mixture") / "float", **request.param)


def test_they_compute_what_the_stack_computes(mixture):
    apart = MetaModel.build(Checkpoint.open(mixture), torch.device("cpu"))
    apart.fill(apart.layers[0], apart.prefixes[0])
    (name, stacked), *_ = expert_modules(load_dequantized(mixture)).items()
    own = apart.module.get_submodule(name)
    assert isinstance(own, ExpertLinears) and not expert_modules(apart.module)
    hidden, weights = torch.randn(5, 128), torch.rand(5, 2)
    chosen = torch.tensor([[0, 2], [1, 0], [2, 3], [0, 1], [1, 2]])
    torch.testing.assert_close(own(hidden, chosen, weights), stacked(hidden, chosen, weights))


def test_rounded_they_compile(mixture, tmp_path):
    model = AutoAWQForCausalLM.from_pretrained(mixture)
    model.quantize(None, quant_config=CONFIG, method="rtn")
    model.save_quantized(tmp_path / "int4")
    names = list(Checkpoint.open(tmp_path / "int4"))
    module = "block_sparse_moe" if "w1" in next(name for name in names if ".experts." in name) else "mlp"  # as the hub
    of_expert = [name for name in names if name.startswith(f"model.layers.0.{module}.experts.3.")]
    assert sum(not name.endswith("bias") for name in of_expert) == 9  # three tensors a layer
    tokens = list(range(7, 18))
    logits = load_quantized(tmp_path / "int4")(torch.tensor([tokens])).logits[0]
    streamed = StreamedModel.open(tmp_path / "int4").predictions(torch.tensor([tokens]), lambda work, what: None)
    torch.testing.assert_close(torch.cat(list(streamed)), logits[:-1], rtol=1e-4, atol=1e-4)  # as `tyllm eval` reads it
    expected = logits[-1]
    build_and_compile_llm(tmp_path / "int4", tmp_path / "package", 32, [1, 8], activations="float16")
    with Session(tmp_path / "package", threads=2) as session:
        found = torch.from_numpy(session.logits(tokens))
    assert torch.cosine_similarity(found, expected, dim=0) > 0.9999


def test_linear_routers_are_known_by_their_outputs(mixture):
    layer = MetaModel.build(Checkpoint.open(mixture), torch.device("cpu")).layers[0]
    assert linear_routers(layer) == set()
    layer.mlp.choice, layer.mlp.other = torch.nn.Linear(128, 6), torch.nn.Linear(128, 8)
    layer.self_attn.narrow = torch.nn.Linear(128, 6)
    assert linear_routers(layer) == {"mlp.choice"}
