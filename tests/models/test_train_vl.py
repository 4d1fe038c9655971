"""The small VLM has the shape that it should, learns, and is written as its processor and transformers read it."""

from argparse import Namespace

import pytest
import torch
from train_vl import SIZES, Trainer, configuration, make_tokenizer, optimizers, save, schedule
from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from vl_examples import collate


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vl")
    return Trainer(Namespace(seed=0, rate=2e-3, batch=1, aside=1.0, output=folder / "out", kept=folder / "kept.pt"))


def test_shape():
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(configuration())
    assert model.num_parameters() == 4_354_336
    linears = model.model.language_model.modules()
    assert all(module.in_features % 128 == 0 for module in linears if isinstance(module, torch.nn.Linear))
    text, vision = model.config.text_config, model.config.vision_config
    assert text.intermediate_size % 3
    assert text.num_key_value_heads % 3
    assert vision.intermediate_size % 3
    assert vision.intermediate_size // 4 % 16  # four dies get parts that no tile fits
    assert 2 * sum(text.rope_parameters["mrope_section"]) == text.hidden_size // text.num_attention_heads


def test_special_tokens():
    tokenizer, config = make_tokenizer(), configuration()
    names = ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"]
    ids = [config.image_token_id, config.video_token_id, config.vision_start_token_id, config.vision_end_token_id]
    assert tokenizer.convert_tokens_to_ids(names) == ids
    assert len(tokenizer) <= config.text_config.vocab_size


def test_schedule_rises_and_falls():
    shares = [schedule(progress / 1000) for progress in range(1001)]
    assert 15 < shares.index(max(shares)) < 25
    assert max(shares) == pytest.approx(1, abs=1e-2)
    assert shares[-1] < 1e-6


def test_every_parameter_has_one_optimizer(trainer):
    module = torch.nn.ModuleList([trainer.model, trainer.marker])
    muon, adam = optimizers(module, 1e-3)
    ours = [id(p) for optim in (muon, adam) for group in optim.param_groups for p in group["params"]]
    assert sorted(ours) == sorted(id(p) for p in module.parameters())
    assert id(trainer.model.lm_head.weight) not in {id(p) for p in muon.param_groups[0]["params"]}


@pytest.mark.long
def test_it_learns_a_batch(trainer):
    size = next(iter(SIZES))
    batch = trainer.batch(trainer.writer.batch(trainer.rng, size, 1)[-8:])
    losses = []
    for _ in range(12):
        for optim in trainer.optims:
            optim.zero_grad()
        answers, aside = trainer.losses(batch, trainer.windows[size])
        (answers + aside).backward()
        for optim in trainer.optims:
            optim.step()
        losses.append(float(answers.detach()))
    assert losses[-1] < losses[0] / 2


def test_saved_files_are_read_again(trainer):
    trainer.curve = [{"step": 1}]
    save(trainer)
    folder = trainer.args.output
    model, report = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    assert model.dtype == torch.float16
    tokenizer = AutoTokenizer.from_pretrained(folder)
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}]
    expected = trainer.tokenizer.apply_chat_template(chat, tokenize=False)
    assert tokenizer.apply_chat_template(chat, tokenize=False) == expected
    example = trainer.writer.about_image(trainer.rng, (112, 168))
    from drawing import draw

    seen = Qwen2VLImageProcessorPil.from_pretrained(folder)(images=[draw(example.slices[0][0])], return_tensors="np")
    assert abs(seen["pixel_values"] - collate([example], 144)["patches"][0]).max() < 1e-5
