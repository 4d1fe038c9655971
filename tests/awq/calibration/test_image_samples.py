"""Samples with images: lengths, places, positions, and placeholders that do not match."""

import pytest
import torch
from tests.awq.tiny_vision_models import IDS, TEMPLATE, conversation, image, tokenizer, write_vision_checkpoint

from awq.calibration.image_samples import image_samples
from awq.stream.meta_model import MetaModel
from hf_checkpoint.checkpoint import Checkpoint
from tyllm_base.errors import CalibrationError

PAD = IDS["<|image_pad|>"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = write_vision_checkpoint(tmp_path_factory.mktemp("vl"), "qwen2_5_vl")
    return MetaModel.build(Checkpoint.open(folder), torch.device("cpu"))


def made(model, documents, count=4, length=64):
    return image_samples(documents, tokenizer(), model, count, length)


def test_samples_are_filled_and_evenly_spread(model):
    found = made(model, [conversation(image(seed), seed) for seed in range(30)])
    assert found.tokens.shape == found.rows.shape == found.positions.shape[1:] == (4, 64)
    assert all(row[0] == IDS["<|im_start|>"] for row in found.tokens)
    assert len({tuple(row) for row in found.tokens.tolist()}) == 4


def test_rows_count_the_embeddings_in_order(model):
    found = made(model, [conversation(image(seed), seed) for seed in range(30)])
    assert torch.equal(found.rows >= 0, found.tokens == PAD)
    rows = found.rows[found.rows >= 0]
    assert torch.equal(rows, rows.sort().values) and len(rows.unique()) == len(rows)
    assert rows.max() < found.embeddings
    first = [int(row[row >= 0][0]) for row in found.rows]
    starts = [0, *torch.tensor([p.patches // 4 for p in found.images]).cumsum(0).tolist()]
    assert set(first) <= set(starts)


def test_positions_are_those_of_hugging_face(model):
    found = made(model, [conversation(image(1), 1)], 1, 30)
    (sample,) = found.positions.unbind(1)
    text, (down, across) = 5, (2, 3)  # "<|im_start|>user\\n" is bytes and a special token
    start = int((found.tokens[0] == PAD).nonzero()[0])
    assert start > text and torch.equal(sample[:, :start], torch.arange(start).expand(3, -1))
    inside = sample[:, start : start + down * across] - start
    assert inside.tolist() == [[0] * 6, [0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2]]
    assert sample[:, start + 6].tolist() == [start + across] * 3


def test_a_large_image_takes_half_a_sample(model):
    found = made(model, [conversation(image(1, 560, 560), 1)], 1, 64)
    assert (found.tokens == PAD).sum() == found.embeddings <= 32
    assert (found.tokens[0, -1]) != PAD


def test_few_tokens_make_one_shorter_sample(model):
    found = made(model, [conversation(image(1), 1)], 4, 512)
    assert found.tokens.shape[0] == 1 and found.tokens.shape[1] < 100


def test_an_image_may_be_cut(model):
    found = made(model, [[{"role": "system", "content": "w" * 18}, *conversation(image(1))]], 1, 40)
    assert 0 < int((found.rows >= 0).sum()) < found.embeddings


def test_conversations_without_images_go_along(model):
    found = made(model, ["words " * 30, *(conversation(image(seed), seed) for seed in range(4))], 9, 40)
    assert (found.rows[0] == -1).all() and (found.rows >= 0).any()


def refused(model, document, message, template=TEMPLATE):
    words = tokenizer()
    words.chat_template = template
    with pytest.raises(CalibrationError, match=message):
        image_samples([conversation(image(1)), document], words, model, 1, 64)


def test_placeholders_that_do_not_match(model):
    more = [*conversation(image(1)), {"role": "user", "content": "<|image_pad|>"}]
    refused(model, more, "Conversation 2 has images: 1, and placeholders .* applied: 2; leave")
    refused(model, "<|image_pad|>", "Conversation 2 has images: 0, and placeholders .* applied: 1; leave")
    blind = "{% for m in messages %}{{ m.role }}{% endfor %}"
    refused(model, conversation(image(1)), "Conversation 1 has images: 1, and placeholders .*: 0; leave", blind)


def test_no_chat_template(model):
    refused(model, "words", "need a tokenizer with a chat template", None)
