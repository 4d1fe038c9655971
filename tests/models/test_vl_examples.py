"""Training sees what the real processor, chat template and position rule would give."""

import random

import numpy as np
import pytest
import torch
from drawing import draw, random_scene, random_video
from train_vl import configuration, make_tokenizer
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from vl_examples import IGNORED, Writer, collate, marks, patches, rope_index

LENGTH = 144


@pytest.fixture(scope="module")
def writer():
    return Writer(make_tokenizer(), LENGTH)


@pytest.fixture(scope="module")
def examples(writer):
    return writer.batch(random.Random(0), (112, 168), 1)


@pytest.mark.parametrize("size", [(112, 168), (140, 140)])
def test_patches_are_the_processors(size):
    scene = random_scene(random.Random(0), *size)
    expected = Qwen2VLImageProcessorPil()(images=[draw(scene)], return_tensors="np")["pixel_values"]
    np.testing.assert_allclose(patches([scene]), expected, atol=1e-6)


def test_patches_of_two_frames_take_turns():
    _, frames = random_video(random.Random(0), 112, 112, 2)
    first, second, both = (patches(seen).reshape(64, 3, 2, 196) for seen in (frames[:1], frames[1:], frames))
    assert (both[:, :, 0] == first[:, :, 0]).all()
    assert (both[:, :, 1] == second[:, :, 1]).all()


def test_positions_are_transformers(examples):
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(configuration())
    config = model.config
    for example in (*examples[:2], *examples[25:]):
        ids = torch.tensor([example.ids])
        grids = {
            video: [[t, 2 * h, 2 * w] for _, (t, h, w), is_video in example.spans if is_video == video]
            for video in (0, 1)
        }
        expected, _ = model.model.get_rope_index(
            ids,
            (ids == config.image_token_id).int() + 2 * (ids == config.video_token_id).int(),
            torch.tensor(grids[0]) if grids[0] else None,
            torch.tensor(grids[1]) if grids[1] else None,
            second_per_grid_ts=torch.ones(len(grids[1])),
        )
        assert (rope_index(example, len(example.ids)) == expected[:, 0].numpy()).all()


def test_tokens_are_the_chat_templates(writer, examples):
    tokenizer, example = writer.tokenizer, examples[0]
    turns = tokenizer.decode(example.ids).replace("<|image_pad|>" * 24, "<|image_pad|>").split("<|im_start|>")[2:]
    messages = [
        dict(zip(("role", "content"), turn.removesuffix("<|im_end|>\n").split("\n", 1), strict=True)) for turn in turns
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    assert tokenizer(text.replace("<|image_pad|>", "<|image_pad|>" * 24))["input_ids"] == example.ids
    parts = [{"type": "image"}, {"type": "text", "text": messages[0]["content"].rpartition("|>")[2]}]
    assert tokenizer.apply_chat_template([{"role": "user", "content": parts}, *messages[1:]], tokenize=False) == text


def test_only_answers_are_learned(writer, examples):
    for example in examples:
        assert len(example.ids) <= LENGTH
        spoken = [token for token, label in zip(example.ids, example.labels, strict=True) if label != IGNORED]
        answers = [token for start, end, _ in example.answers for token in example.ids[start:end]]
        assert spoken == answers
        assert spoken.count(writer.tokenizer.convert_tokens_to_ids("<|im_end|>")) == len(example.answers) >= 1


def test_a_batch_knows_its_images(examples):
    batch = collate(examples, LENGTH)
    slices = sum(len(example.slices) for example in examples)
    assert batch["patches"].shape == (slices, 96, 1176)
    assert batch["marks"].shape == (slices * 24, 3)
    images = batch["images"]
    assert (images[images >= 0] == np.arange(slices * 24)).all()


def test_marks_lie_where_the_things_are():
    scene = random_scene(random.Random(0), 112, 168)
    marked = marks([scene]).reshape(4, 6, 3)
    assert (marked[..., 1] != IGNORED).sum() == len(scene.things)
    for thing in scene.things:
        assert marked[int(thing.y * 4), int(thing.x * 6), 2] == 3 * thing.row + thing.column
