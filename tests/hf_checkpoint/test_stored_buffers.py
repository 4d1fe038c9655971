"""Buffers that a checkpoint stores are read from it; those that follow from the config are not."""

from types import SimpleNamespace

import pytest
import torch

from hf_checkpoint.stored_buffers import read_buffers, stored_buffers
from tyllm_base.errors import CheckpointError


class Layer(torch.nn.Module):
    """A weight, a stored buffer and one that is computed."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))
        self.register_buffer("scalar", torch.ones(1))
        self.register_buffer("frequencies", torch.ones(3), persistent=False)


class Model(torch.nn.Module):
    """A layer in a model."""

    def __init__(self):
        super().__init__()
        self.layer = Layer()


def checkpoint(value):
    def read(name):
        assert name == "layer.scalar"
        return value

    return SimpleNamespace(read_torch=read)


def test_their_names():
    assert stored_buffers(Model()) == ["layer.scalar"]


def test_their_values_in_the_type_of_the_model():
    model = Model()
    read_buffers(model, checkpoint(torch.tensor([0.5], dtype=torch.bfloat16)))
    assert model.layer.scalar.item() == 0.5 and model.layer.scalar.dtype == torch.float32
    assert model.layer.frequencies.tolist() == [1, 1, 1]
    assert stored_buffers(model) == ["layer.scalar"]


def test_a_nan():
    with pytest.raises(CheckpointError, match=r"layer\.scalar holds NaN"):
        read_buffers(Model(), checkpoint(torch.tensor([float("nan")])))
