"""Small modules of the kinds that users have, and how they are compiled and compared."""

from __future__ import annotations

import warnings

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tyllm.torch_edgex import FallbackWarning


class ResNetBlock(nn.Module):
    """Two convolutions with batch norm, and a residual; adds and applies ReLU in place."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2))
        for norm in self.norms:
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norms[1](self.second(F.relu(self.norms[0](self.first(x)))))
        y += x
        return F.relu_(y)


class GatedMlp(nn.Module):
    """SwiGLU, with biases."""

    def __init__(self, size: int = 32, inner: int = 96) -> None:
        super().__init__()
        self.gate, self.up, self.down = nn.Linear(size, inner), nn.Linear(size, inner), nn.Linear(inner, size)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


class VitBlock(nn.Module):
    """Patches, attention of several heads, and an MLP with GELU and dropout."""

    def __init__(self, size: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, size, 4, 4)
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(2))
        self.attention = nn.MultiheadAttention(size, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(size, 128), nn.GELU(), nn.Dropout(0.1), nn.Linear(128, size))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        y = self.norms[0](x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norms[1](x))


class Attention(nn.Module):
    """Grouped-query attention with separate projections, as decoders have it."""

    def __init__(self, size: int = 64, heads: int = 4, key_value_heads: int = 2) -> None:
        super().__init__()
        self.heads, self.key_value_heads, self.width = heads, key_value_heads, size // heads
        self.q, self.o = nn.Linear(size, size), nn.Linear(size, size)
        self.k, self.v = (nn.Linear(size, key_value_heads * self.width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (f(x).unflatten(-1, (-1, self.width)).transpose(1, 2) for f in (self.q, self.k, self.v))
        k, v = (t[:, :, None].expand(-1, -1, self.heads // self.key_value_heads, -1, -1).flatten(1, 2) for t in (k, v))
        return self.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def sample(kind: type[nn.Module]) -> tuple[nn.Module, Tensor]:
    """A module in evaluation with random weights, and an input."""
    torch.manual_seed(1)
    shapes = {ResNetBlock: (2, 8, 6, 5), GatedMlp: (5, 32), VitBlock: (2, 3, 8, 12), Attention: (2, 5, 64)}
    return kind().eval(), torch.randn(shapes[kind])


TOLERANCE = 1e-3
"""Of the largest value: weights of linear layers and convolutions are rounded to float16."""


def error(found: Tensor, wanted: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    return ((found - wanted).abs().max() / wanted.abs().max()).item()


def compiled(function, **options):
    """A module or function through the backend."""
    return torch.compile(function, backend="edgex", options=options)


def wholly_compiled(function, x: Tensor, **options) -> Tensor:
    """What it returns, where torch runs none of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", FallbackWarning)
        return compiled(function, **options)(x)


def folders(path):
    """The compiled modules in a folder."""
    return sorted(each for each in path.iterdir() if each.is_dir())
