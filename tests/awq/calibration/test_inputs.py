"""Which samples a run gets: text, the model's own, or images, and with whose tokenizer and chat template."""

import json
from types import SimpleNamespace

import pytest
import torch
from tests.awq.tiny_models import token_lists
from tests.awq.tiny_vision_models import TEMPLATE, conversation, image, tokenizer, write_vision_checkpoint

from awq.calibration.inputs import CalibrationData
from awq.stream.meta_model import MetaModel
from hf_checkpoint.checkpoint import Checkpoint
from tyllm_base.errors import CalibrationError

TALKS = [conversation(image(seed), seed) for seed in range(4)]


@pytest.fixture
def folder(tmp_path):
    return write_vision_checkpoint(tmp_path / "vl", "qwen2_5_vl")


def samples(folder, source, given=None):
    model = MetaModel.build(Checkpoint.open(folder), torch.device("cpu"))
    return CalibrationData(source, "train", "text").samples(model, given, 2, 40)


def test_text_has_no_images(folder):
    assert samples(folder, token_lists(4, 40))[1] is None
    assert samples(folder, ["words " * 40])[1] is None
    own, images = samples(folder, "self")
    assert (own == -1).any() and images is None


def test_the_checkpoints_tokenizer_by_default(folder):
    tokens, images = samples(folder, TALKS)
    assert torch.equal(tokens, images.tokens)
    assert torch.equal(tokens, samples(folder, TALKS, tokenizer())[0])


def test_a_processor_may_be_given(folder):
    bare = tokenizer()
    bare.chat_template = None
    found, _ = samples(folder, TALKS, SimpleNamespace(tokenizer=bare, chat_template=TEMPLATE))
    assert torch.equal(found, samples(folder, TALKS)[0])


def test_the_template_may_lie_in_the_processors_file(folder):
    wanted = samples(folder, TALKS)[0]
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(CalibrationError, match="need a tokenizer with a chat template"):
        samples(folder, TALKS)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    assert torch.equal(samples(folder, TALKS)[0], wanted)
    for content in ("{}", "[]", '{"chat_template": 5}', '{"chat_template": "a", "chat_template": "b"}', "[" * 10_000):
        (folder / "chat_template.json").write_text(content)
        with pytest.raises(CalibrationError, match=r"chat_template\.json holds no chat template"):
            samples(folder, TALKS)


def test_samples_that_happen_to_have_no_image_are_text(folder):
    assert samples(folder, ["words " * 40, "words " * 40, *TALKS[:1]])[1] is None
