"""The structure of layers with experts: all are in it, and the router goes with a norm's scale."""

import pytest
import torch
from tests.tiny_mixture import MIXTRAL, write_mixture

from awq.method.layer_structure import apply_scale, restoring
from awq.stream.activation_statistics import LayerArguments
from awq.stream.expert_structure import find_layer_structure
from awq.stream.layerwise_pass import layerwise_pass
from awq.stream.meta_model import MetaModel
from hf_checkpoint.checkpoint import Checkpoint

NAMES = {"qwen2_moe": ("gate_proj", "up_proj", "down_proj"), "mixtral": ("w1", "w3", "w2")}


def with_first_layer(folder, visit):
    """What `visit(layer, run)` returns for the first layer of a checkpoint, with random weights, and 40 tokens."""
    model, found = MetaModel.build(Checkpoint.open(folder), torch.device("cpu")), []

    def call(index, layer, arguments: LayerArguments):
        found.append(visit(layer, lambda: arguments.call(layer)))
        return arguments.hidden

    with torch.no_grad():
        layerwise_pass(model, torch.arange(40)[None], call)
    return found[0]


@pytest.fixture(scope="module", params=[{}, MIXTRAL], ids=["qwen2_moe", "mixtral"])
def mixture(request, tmp_path_factory):
    folder = write_mixture(tmp_path_factory.mktemp("mixture") / "float", **request.param)
    return folder, NAMES[request.param.get("model_type", "qwen2_moe")]


def test_every_expert_is_there_with_its_own_input(mixture):
    folder, (gate, up, down) = mixture
    structure = with_first_layer(folder, find_layer_structure)
    for number in range(6):
        expert = f"mlp.experts.{number}"
        assert (f"{expert}.{gate}", f"{expert}.{up}") in structure.shared_inputs
        assert (f"{expert}.{down}",) in structure.shared_inputs
    within = {group.before: group for group in structure.scale_groups if ".experts." in group.before}
    assert list(within) == [f"mlp.experts.{number}.{up}" for number in range(6)]
    assert all(group.linears == (group.inspect,) and group.inspect.endswith(down) for group in within.values())


def test_the_norm_before_them_is_scaled_with_the_router_and_all_that_reads_it(mixture):
    folder, (gate, up, _) = mixture
    structure = with_first_layer(folder, find_layer_structure)
    (group,) = (group for group in structure.scale_groups if group.before == "post_attention_layernorm")
    shared = ["shared_expert.gate_proj", "shared_expert.up_proj", "shared_expert_gate"] if gate == "gate_proj" else []
    experts = [f"experts.{number}.{part}" for number in range(6) for part in (gate, up)]
    assert group.inspect == "mlp"
    assert sorted(group.linears) == sorted(f"mlp.{name}" for name in [*experts, *shared, "gate"])


def test_every_scale_keeps_what_the_whole_layer_computes(mixture):
    def changes(layer, run):
        structure, expected = find_layer_structure(layer, run), run()
        assert torch.equal(expected, run())  # all experts are at work again
        for group in structure.scale_groups:
            with restoring(layer):
                scale = 0.5 + torch.rand(layer.get_submodule(group.linears[-1]).weight.shape[1])
                apply_scale(layer, group, scale)
                yield float((run() - expected).norm() / expected.norm())

    found = with_first_layer(mixture[0], lambda layer, run: list(changes(layer, run)))
    assert len(found) >= 8 and max(found) < 1e-5


def test_a_norm_is_left_alone_whose_router_would_not_be_scaled(mixture):
    def structure(layer, run):
        gate = layer.mlp.gate
        gate.kept, gate.forward = gate.weight, lambda hidden: (None, hidden[:, :2].softmax(-1), hidden[:, :2].long())
        del gate.weight
        return find_layer_structure(layer, run)

    norms = [group.before for group in with_first_layer(mixture[0], structure).scale_groups]
    assert "input_layernorm" in norms and "post_attention_layernorm" not in norms
