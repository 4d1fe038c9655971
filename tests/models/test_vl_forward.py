"""The forward pass of the training gives what transformers' model gives."""

import random

import pytest
import torch
from train_vl import configuration, make_tokenizer
from transformers import Qwen2_5_VLForConditionalGeneration
from vl_examples import Writer, collate
from vl_forward import Windows, all_logits, image_tokens


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(configuration()).eval()
    for parameter in model.parameters():  # large enough that every mistake shows
        torch.nn.init.normal_(parameter, std=0.08 if parameter.ndim > 1 else 0.2)
    return model


@pytest.mark.parametrize("size", [(112, 168), (140, 140), (84, 140)])
def test_image_tokens(model, size):
    rows, columns = (length // 14 for length in size)
    patches = torch.randn(3, rows * columns, 1176)
    with torch.no_grad():
        expected = model.model.visual(patches.flatten(0, 1), torch.tensor([[1, rows, columns]] * 3)).pooler_output
        found = image_tokens(model.model.visual, patches, Windows(model.model.visual, rows, columns))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("row", [0, 25, 26, 29, 31])  # an image, another later, two at once, a video, none
def test_logits(model, row):
    example = Writer(make_tokenizer(), 144).batch(random.Random(0), (112, 168), 1)[row]
    filler = Writer(make_tokenizer(), 144).about_image(random.Random(1), (112, 168))
    batch = {name: torch.from_numpy(array) for name, array in collate([example, filler], 144).items()}
    ids = torch.tensor([example.ids])
    video = any(is_video for *_, is_video in example.spans)
    grids = torch.tensor([[t, 2 * h, 2 * w] for _, (t, h, w), _ in example.spans])
    values = batch["patches"][: len(example.slices)].flatten(0, 1)
    seen = {f"pixel_values{'_videos' * video}": values, f"{'video' if video else 'image'}_grid_thw": grids}
    config = model.config
    kinds = (ids == config.image_token_id).int() + 2 * (ids == config.video_token_id).int()
    with torch.no_grad():
        expected = model(
            ids, **(seen if len(grids) else {}), mm_token_type_ids=kinds, second_per_grid_ts=torch.ones(1)
        ).logits
        found = all_logits(model, batch, Windows(model.model.visual, 8, 12))[0]
    torch.testing.assert_close(found[:1, : ids.shape[1]], expected, atol=2e-4, rtol=1e-3)
