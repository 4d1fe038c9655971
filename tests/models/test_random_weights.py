"""Every config, shrunk and written with random weights, loads in transformers with no tensor missing or left over."""

import filecmp
import sys

import pytest
import torch
from random_weights import covering_tokenizer, main, write_random_checkpoint
from small_config import CONFIGS, VISION_CONFIGS, read_config, small_config
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer, Mxfp4Config

from hf_checkpoint.checkpoint import Checkpoint

FLOAT = torch.float32


def load(folder, kind=AutoModelForCausalLM):
    is_mxfp4 = Checkpoint.open(folder).config.get("quantization_config") is not None
    options = {"quantization_config": Mxfp4Config(dequantize=True)} if is_mxfp4 else {}
    model, report = kind.from_pretrained(folder, dtype=FLOAT, output_loading_info=True, **options)
    return model.eval(), report


@pytest.mark.parametrize("name", CONFIGS)
def test_small_checkpoint_loads_and_runs(name, tmp_path):
    write_random_checkpoint(small_config(name), tmp_path, "bfloat16")
    model, report = load(tmp_path)
    assert not any(report.values()), report
    whole = {parameter for parameter in model.state_dict() if ".experts." not in parameter}  # files have each expert's
    assert whole - set(Checkpoint.open(tmp_path).tensors) <= {"lm_head.weight"}
    with torch.no_grad():
        logits = model(torch.arange(20)[None] * 7).logits[0]
    assert logits.isfinite().all()
    assert 0.05 < logits.std() < 20
    assert len(set(logits.argmax(-1).tolist())) > 1


@pytest.mark.parametrize("name", VISION_CONFIGS)
def test_small_checkpoint_that_sees_loads_and_runs(name, tmp_path):
    write_random_checkpoint(small_config(name), tmp_path)
    model, report = load(tmp_path, AutoModelForImageTextToText)
    assert not any(report.values()), report
    tensors = Checkpoint.open(tmp_path).tensors
    assert {name.split(".")[0] for name in tensors} <= {"visual", "model", "lm_head"}
    assert {"visual.blocks.0.attn.qkv.weight", "model.layers.0.self_attn.q_proj.weight"} < set(tensors)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}]
    text = tokenizer.apply_chat_template(chat, tokenize=False).replace("<|image_pad|>", "<|image_pad|>" * 12)
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    seen = {"pixel_values": torch.randn(48, 1176), "image_grid_thw": torch.tensor([[1, 6, 8]])}
    with torch.no_grad():
        logits = model(ids, **seen, mm_token_type_ids=(ids == model.config.image_token_id).int()).logits
    assert 0.05 < logits.std() < 20


def test_special_tokens_have_the_published_ids():
    tokenizer = covering_tokenizer(read_config("Qwen2.5-VL-7B-Instruct"))
    specials = ["<|endoftext|>", "<|im_end|>", "<|vision_start|>", "<|image_pad|>", "<|video_pad|>"]
    assert tokenizer.convert_tokens_to_ids(specials) == [151643, 151645, 151652, 151655, 151656]
    assert len(tokenizer) == 152064
    assert tokenizer.decode(tokenizer("Grüße, world")["input_ids"]) == "Grüße, world"
    assert tokenizer("<|image_pad|>")["input_ids"] == [151655]


def test_weights_depend_on_the_seed_alone(tmp_path):
    config = small_config("Qwen3-0.6B")
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_random_checkpoint(config, tmp_path / folder, seed=seed)
    a, b, c = (tmp_path / folder / "model.safetensors" for folder in "abc")
    assert filecmp.cmp(a, b, shallow=False)
    assert not filecmp.cmp(a, c, shallow=False)


def test_shards_hold_the_same_tensors(tmp_path):
    config = small_config("Llama-3.1-8B")
    write_random_checkpoint(config, tmp_path / "one")
    write_random_checkpoint(config, tmp_path / "many", shard=1_000_000)
    assert len(list((tmp_path / "many").glob("model-*.safetensors"))) > 2
    one, many = Checkpoint.open(tmp_path / "one"), Checkpoint.open(tmp_path / "many")
    assert list(one) == list(many)
    assert all((one.read_numpy(name) == many.read_numpy(name)).all() for name in one)


@pytest.mark.parametrize("vocabulary", [300, 5000])
def test_tokenizer_covers_the_vocabulary(vocabulary, tmp_path):
    write_random_checkpoint(small_config("Qwen2-0.5B") | {"vocab_size": vocabulary}, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert len(tokenizer) == vocabulary
    assert tokenizer.decode(tokenizer("Grüße, world")["input_ids"]) == "Grüße, world"
    assert all(tokenizer.decode([token]) for token in range(3, vocabulary))
    assert max(tokenizer.apply_chat_template([{"role": "user", "content": "x"}])["input_ids"]) < vocabulary


def test_too_small_a_vocabulary_is_refused(tmp_path):
    with pytest.raises(ValueError, match="vocabulary of 100 is too small"):
        write_random_checkpoint(small_config("Qwen2-0.5B") | {"vocab_size": 100}, tmp_path)


def test_command_line(tmp_path, monkeypatch):
    arguments = ["gemma-2-2b", tmp_path / "x", "--small", "--layers", 1, "--dtype", "float32", "--seed", 3]
    monkeypatch.setattr(sys, "argv", ["random_weights.py", *map(str, arguments)])
    main()
    checkpoint = Checkpoint.open(tmp_path / "x")
    assert checkpoint.config["num_hidden_layers"] == 1
    assert {info.dtype for info in checkpoint.tensors.values()} == {"F32"}
    assert abs(checkpoint.read_numpy("model.norm.weight").mean()) < 0.1  # Gemma adds one to it
