"""Imports small graphs and lists the kernels and operators that their programs call."""

import torch
from tests.tytvm.small_graph import Calculation, graph_of

from tytvm import rewrites
from tytvm.importer import import_graph
from tytvm.kernel_choice import Kernels
from tytvm.target import resolve

KERNELS = Kernels(resolve("native"), int8_activations=True)
FLOATS = Kernels(resolve("native"), int8_activations=False)
INPUTS = {"tokens": torch.zeros(1, 4, dtype=torch.int64), "row": torch.zeros(1, dtype=torch.int64)}


def imported(graph, kernels=KERNELS):
    rewrites.apply(graph.capture.graph_module)
    return import_graph(graph, kernels)


def calls(module):
    """Kernels and operators of `main`, in order."""
    values = [binding.value for block in module["main"].body.blocks for binding in block.bindings]
    values = [value for value in values if hasattr(value, "op")]
    return [v.args[0].name_hint if v.op.name.startswith("relax.call_tir") else v.op.name for v in values]


def of_function(function, **inputs):
    return calls(imported(graph_of(Calculation(function), **inputs)))
