"""The estimate of memory; how near it comes to the truth is measured on real shapes (docs/quantize.md)."""

import torch
from tests.awq.tiny_models import token_lists
from tests.awq.tiny_vision_models import conversation, image, tokenizer, write_vision_checkpoint

from awq.calibration.image_samples import image_samples
from awq.quant_config import QuantConfig
from awq.recipe import PARTS, Recipe
from awq.run.memory_estimate import free_memory, hidden_bytes, peak_memory, resident
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
