"""Each stage of a compile is dumped as a text that shows what the stage did."""

import torch
from tests.tytvm.small_graph import Small, graph_of

from tytvm.compile import ProgramJob, compile_program
from tytvm.graph import kv_layout
from tytvm.kernel_choice import Kernels
from tytvm.memory_layout import lay_out
from tytvm.stage_dump import dump_to
from tytvm.target import resolve


def test_stages_in_order(tmp_path):
    graph = graph_of(Small(), tokens=torch.tensor([[1, 2]]), row=torch.tensor([1]))
    specs = {f"{name}{suffix}": spec for name, own in graph.weights.items() for suffix, spec in own.tensors().items()}
    kernels = Kernels(resolve("native"), int8_activations=True)
    job = ProgramJob(graph, kernels, lay_out(specs), kv_layout(graph.capture, 16))
    program = compile_program(job, dump_to(tmp_path / "stages"))
    texts = {path.stem: path.read_text("utf-8") for path in sorted((tmp_path / "stages").iterdir())}
    names = ["1_captured", "2_rewritten", "3_imported", "4_lowered", "5_linearized", "6_planned"]
    assert list(texts) == names
    assert "aten.silu" in texts["1_captured"] and "tytvm.swiglu" in texts["2_rewritten"]
    assert "R.nn.softmax" in texts["3_imported"] and "R.nn.softmax" not in texts["4_lowered"]
    assert texts["5_linearized"].count("\n") == len(program.body) + len(program.head)
    assert texts["6_planned"].count("barrier;") == sum(each.barrier_before for each in (*program.body, *program.head))
