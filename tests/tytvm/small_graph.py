"""Small modules captured and described as the compiler wants them."""

import torch

from tytvm.capture import capture
from tytvm.graph import Graph
from tytvm.weights import W16, Plain


class Small(torch.nn.Module):
    """Table, norm, linear layers with and without bias, softmax, and a head that looks at one row."""

    def __init__(self, vocabulary=24, width=32):
        super().__init__()
        self.table = torch.nn.Embedding(vocabulary, width)
        self.norm = torch.nn.RMSNorm(width, eps=1e-6)
        self.up = torch.nn.Linear(width, 40, bias=False)
        self.gate = torch.nn.Linear(width, 40, bias=False)
        self.down = torch.nn.Linear(40, width)
        self.head = torch.nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens, row):
        x = self.table(tokens)
        x = x + self.down(torch.nn.functional.silu(self.gate(self.norm(x))) * self.up(x))
        return self.head(torch.softmax(x, -1)[:, row])


def weight_formats(module):
    """Linear weights in float16, tables in float16, everything else float32."""
    kinds = {id(m.weight): type(m) for m in module.modules() if isinstance(m, torch.nn.Linear | torch.nn.Embedding)}
    formats = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        kind = kinds.get(id(parameter))
        dtype = "float16" if kind is torch.nn.Embedding else "float32"
        formats[name] = W16(*parameter.shape) if kind is torch.nn.Linear else Plain(tuple(parameter.shape), dtype)
    return formats


def graph_of(module, weights=None, kv_capacity=16, **inputs):
    """The captured graph of a module (its own parameters are not touched) with every weight's format."""
    weights = weights or weight_formats(module)
    on_meta = {name: value.to("meta") for name, value in inputs.items()}
    captured = capture(module.to("meta"), on_meta)
    return Graph(captured, weights, {name: name for name in weights}, kv_capacity)


class Calculation(torch.nn.Module):
    """A function as a module without weights."""

    def __init__(self, function):
        super().__init__()
        self.forward = function
