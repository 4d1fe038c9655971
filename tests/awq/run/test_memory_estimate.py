"""The estimate of memory; how near it comes to the truth is measured on real shapes (docs/quantize.md)."""

import weakref

import pytest
import torch
from tests.awq.tiny_models import token_lists
from tests.awq.tiny_vision_models import conversation, image, tokenizer, write_vision_checkpoint
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import awq.method.shared_input
import awq.run.memory_estimate
from awq.calibration.image_samples import image_samples
from awq.method.error_propagation import InputCorrection
from awq.method.hessian import Hessian
from awq.method.rounding import Scheme
from awq.method.shared_input import SharedInput
from awq.quant_config import QuantConfig
from awq.recipe import PARTS, Recipe
from awq.run.memory_estimate import free_memory, hidden_bytes, peak_memory, resident, shared_input_bytes
from awq.stream.meta_model import MetaModel
from awq.tasks.linear_layers import linear_layers
from hf_checkpoint.checkpoint import Checkpoint


def estimates(folder, **changes):
    model = MetaModel.build(Checkpoint.open(folder), torch.device("cpu"))
    recipe = Recipe(QuantConfig(q_group_size=64), "tyllm", torch.tensor(token_lists(8)), **changes)
    return hidden_bytes(model, recipe), peak_memory(model, recipe, linear_layers(model, recipe)[-1])


def test_hidden_states_of_both_streams(checkpoint):
    assert estimates(checkpoint("llama"))[0] == 2 * 8 * 32 * 128 * 4
    assert estimates(checkpoint("llama"), parts=frozenset(PARTS) - {"propagation"})[0] == 8 * 32 * 128 * 4


def test_the_peak_is_more_than_what_is_there_already(checkpoint):
    before = resident()
    assert before > 100 << 20
    assert before < estimates(checkpoint("llama"))[1] < before + (200 << 20)


def test_free_memory_is_told_on_linux():
    found = free_memory()
    assert found is None or found > 1 << 20


def test_the_vision_tower_counts_where_images_go_through_it_or_it_is_rounded(tmp_path):
    folder = write_vision_checkpoint(tmp_path, "qwen2_5_vl", tied=False)
    model = MetaModel.build(Checkpoint.open(folder), torch.device("cpu"))
    head = linear_layers(model, Recipe(QuantConfig(q_group_size=64), "rtn", torch.empty((0, 0))))[-1]
    talks = [conversation(image(seed, 560, 560), seed) for seed in range(4)]
    seen = image_samples(talks, tokenizer(), model, 2, 2048)

    def peak(config, images):
        return peak_memory(model, Recipe(config, "rtn", seen.tokens, images=images), head) - resident()

    assert sum(each.patches for each in seen.images) > 1000
    through = 4 * 1000 * (3 * 192 + 1176)  # a block's widest tensors, and the patches themselves
    assert peak(QuantConfig(), seen) > through > 0.9 * peak(QuantConfig(), None)
    eight = QuantConfig(vision_bits=8, format="compressed-tensors")
    assert peak(eight, None) > peak(QuantConfig(), None)


class LiveMemory(TorchDispatchMode):
    """Sums the bytes of the tensors that operators return, for as long as their memory lives."""

    def __init__(self):
        super().__init__()
        self.storages, self.peak = {}, 0

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        result = operator(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self.storages[storage._cdata] = weakref.ref(storage)
        alive = [storage for found in self.storages.values() if (storage := found()) is not None]
        self.peak = max(self.peak, sum(storage.nbytes() for storage in alive))
        return result


@pytest.mark.parametrize("inputs", [512, 768])
def test_the_work_on_a_shared_input_takes_what_torch_allocates(checkpoint, monkeypatch, inputs):
    outputs, generator = 64, torch.Generator().manual_seed(0)
    for module in (awq.method.shared_input, awq.run.memory_estimate):
        monkeypatch.setattr(module, "ROWS", outputs)
    x, weight = (torch.randn(n, inputs, generator=generator) for n in (1000, outputs))
    with LiveMemory() as memory:
        hessian, correction = (kind.empty(inputs, torch.device("cpu")) for kind in (Hessian, InputCorrection))
        hessian.accumulate(x)
        correction.accumulate(x, x)
        before = memory.peak
        memory.peak = 0
        SharedInput(hessian, correction).quantize(weight, Scheme(4, 64))
    assert before < memory.peak  # accumulating is not what takes most
    recipe = Recipe(QuantConfig(), "tyllm", torch.tensor(token_lists(8)))
    assert 0.75 < shared_input_bytes(outputs, inputs, recipe) / memory.peak < 1.33
