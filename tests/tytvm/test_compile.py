"""A small module through the whole compiler, run by several workers, gives what torch gives."""

import copy

import numpy as np
import pytest
import torch
from tests.tytvm.program_runner import Runner
from tests.tytvm.small_graph import Small, graph_of

from tytvm.compile import ProgramJob, compile_program
from tytvm.graph import kv_layout
from tytvm.kernel_choice import Kernels
from tytvm.kernels.linear import float16_weight
from tytvm.memory_layout import lay_out
from tytvm.target import resolve

TOKENS, ROW = [[3, 0, 23, 7, 7]], [3]


def stored(module):
    """The weights as a package stores them, rounded to float16 in the module too."""
    arrays = {}
    for name, owner in module.named_modules():
        for own, parameter in owner.named_parameters(recurse=False):
            full = f"{name}.{own}"
            if isinstance(owner, torch.nn.Linear | torch.nn.Embedding) and own == "weight":
                parameter.data = parameter.data.half().float()
            value = parameter.detach().numpy()
            is_linear = isinstance(owner, torch.nn.Linear) and own == "weight"
            arrays[full] = float16_weight.pack(value.astype(np.float16))["weight"] if is_linear else value
    return arrays


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    torch.manual_seed(0)
    module = Small()
    weights = stored(module)
    inputs = {"tokens": torch.tensor(TOKENS), "row": torch.tensor(ROW)}
    expected = module(**inputs).detach().numpy()
    graph = graph_of(copy.deepcopy(module), **inputs)
    specs = {f"{name}{suffix}": spec for name, own in graph.weights.items() for suffix, spec in own.tensors().items()}
    kernels = Kernels(resolve("native"), int8_activations=True)
    program = compile_program(ProgramJob(graph, kernels, lay_out(specs), kv_layout(graph.capture, 16)))
    return Runner(program, kernels, tmp_path_factory.mktemp("program"), weights), expected


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_logits_equal_torch(compiled, workers):
    runner, expected = compiled
    runner.view("io", "logits")[...] = np.nan
    for name, value in (("tokens", TOKENS), ("row", ROW)):
        runner.view("io", name)[...] = value
    runner.run("body", workers)
    runner.run("head", workers)
    np.testing.assert_allclose(runner.view("io", "logits"), expected, rtol=2e-4, atol=2e-5)


def test_the_head_runs_again_for_another_row(compiled):
    runner, expected = compiled
    for row in (1, ROW[0]):
        runner.view("io", "row")[...] = row
        runner.run("head", 2)
    np.testing.assert_allclose(runner.view("io", "logits"), expected, rtol=2e-4, atol=2e-5)


def test_it_meets_as_often_as_the_plan_says(compiled):
    runner, _ = compiled
    for part, steps in (("body", runner.program.body), ("head", runner.program.head)):
        assert runner.run(part, 2) == sum(step.barrier_before for step in steps)
