"""Vision-language models from checkpoint to quantized folder: every method, both name styles, resume, what is told."""

import json
from dataclasses import replace

import pytest
import torch
from tests.awq.tiny_models import token_lists
from tests.awq.tiny_vision_models import (
    FAMILIES,
    conversation,
    image,
    image_inputs,
    tokenizer,
    write_vision_checkpoint,
)
from transformers import AutoModelForImageTextToText

import awq
from awq import AutoAWQForCausalLM
from awq.stream.dequantize import read_float
from awq.stream.meta_model import MetaModel
from awq.work.work_folder import WorkFolder
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.model_on_meta import build_on_meta
from hf_checkpoint.weight_names import under_model_names
from tyllm_base.errors import CalibrationError, SettingError

CONFIG = {"q_group_size": 64, "lm_head_enable": True}
TALKS = [conversation(image(seed), seed) for seed in range(8)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """`made(family)` is a float checkpoint that tests may read but not change."""
    folders = {}

    def make(family, tied=True, hub_names=True):
        key = (family, tied, hub_names)
        if key not in folders:
            folders[key] = write_vision_checkpoint(tmp_path_factory.mktemp("vl") / "in", *key)
        return folders[key]

    return make


def quantize(folder, output, data=None, config=None, **options):
    model = AutoAWQForCausalLM.from_pretrained(folder)
    settings = {"max_calib_samples": 4, "max_calib_seq_len": 64} | options
    model.quantize(None, CONFIG | (config or {}), data or TALKS, quant_path=output, **settings)
    model.save_quantized(output)
    return model


def divergence(folder, quantized):
    """KL divergence of a quantized folder from its float one, on a prompt with an image."""
    inputs = image_inputs(image(99))
    with torch.no_grad():
        p, q = (awq.load_quantized(each)(**inputs).logits.log_softmax(-1) for each in (folder, quantized))
    return float((p.exp() * (p - q)).sum(-1).mean())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("tied", "hub_names"), [(True, True), (False, False)])
def test_a_float_folder_is_the_model_of_transformers(made, family, tied, hub_names):
    folder, inputs = made(family, tied, hub_names), image_inputs(image(1))
    reference = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    torch.testing.assert_close(awq.load_quantized(folder)(**inputs).logits, reference(**inputs).logits)


@pytest.mark.parametrize("method", ["tyllm", "awq", "rtn"])
@pytest.mark.parametrize(("family", "tied"), [("qwen2_vl", False), ("qwen2_5_vl", False), ("qwen2_5_vl", True)])
@pytest.mark.parametrize("data", [TALKS, token_lists(8, 64)], ids=["images", "text"])
def test_every_method_stays_near_the_float_model(made, tmp_path, method, family, tied, data):
    folder = made(family, tied, hub_names=tied)
    model = quantize(folder, tmp_path / "out", data, method=method)
    shuffled = divergence_of_shuffled(folder)
    assert divergence(folder, tmp_path / "out") < 0.1 * shuffled
    assert model.report.document()["vision"] == []
    if method != "awq":
        assert {each.name for each in model.report.linears} >= {"model.layers.1.mlp.down_proj", "lm_head"}


def divergence_of_shuffled(folder):
    """That of a model whose output tokens are permuted: as far away as a broken one."""
    with torch.no_grad():
        p = awq.load_quantized(folder)(**image_inputs(image(99))).logits.log_softmax(-1)
    return float((p.exp() * (p - p.roll(1, -1))).sum(-1).mean())


def test_images_in_calibration_help_with_images(made, tmp_path):
    folder = made("qwen2_5_vl", False)
    quantize(folder, tmp_path / "seen", [conversation(image(seed), seed) for seed in range(40)], max_calib_samples=16)
    quantize(folder, tmp_path / "unseen", token_lists(16, 64), max_calib_samples=16)
    assert divergence(folder, tmp_path / "seen") < 0.7 * divergence(folder, tmp_path / "unseen")


@pytest.mark.parametrize("config", [{}, {"format": "compressed-tensors", "vision_bits": 8}], ids=["awq", "int8 tower"])
def test_what_is_loaded_is_the_model_with_the_weights_that_the_codes_stand_for(made, tmp_path, config):
    folder, inputs = made("qwen2_5_vl"), image_inputs(image(3))
    quantize(folder, tmp_path / "out", config=config, method="rtn")
    reference = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    reference.lm_head.weight = torch.nn.Parameter(reference.lm_head.weight.clone())
    opened = Checkpoint.open(tmp_path / "out")
    stored = under_model_names(opened, build_on_meta(opened))
    for name, parameter in reference.named_parameters():
        parameter.data = read_float(stored, name, torch.float32)
    torch.testing.assert_close(awq.load_quantized(tmp_path / "out")(**inputs).logits, reference(**inputs).logits)


@pytest.mark.parametrize("hub_names", [True, False])
def test_names_are_the_hubs_and_the_tower_is_float16_bit_for_bit(made, tmp_path, hub_names):
    quantize(made("qwen2_5_vl", False, hub_names), tmp_path / "out", method="rtn")
    opened, original = Checkpoint.open(tmp_path / "out"), Checkpoint.open(made("qwen2_5_vl", False))
    tower = {name for name in opened if name.startswith("visual.")}
    assert tower == {name for name in original if name.startswith("visual.")}
    assert all(torch.equal(opened.read_torch(name), original.read_torch(name)) for name in tower)
    assert {"model.layers.0.mlp.up_proj.qweight", "lm_head.qweight", "model.norm.weight"} <= set(opened)


def test_config_and_what_lies_beside_it(made, tmp_path):
    quantize(made("qwen2_vl"), tmp_path / "out", method="rtn", config={"modules_to_not_convert": ["visual", "o_proj"]})
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["quantization_config"]["modules_to_not_convert"] == ["visual", "model.visual", "o_proj"]
    assert config["quantization_config"]["lm_head"] is True and config["tie_word_embeddings"] is False
    assert config["dtype"] == "float16"
    for name in ("preprocessor_config.json", "tokenizer.json", "chat_template.jinja"):
        assert (tmp_path / "out" / name).read_bytes() == (made("qwen2_vl") / name).read_bytes()


def test_eight_bits_for_the_tower(made, tmp_path):
    config = {"format": "compressed-tensors", "vision_bits": 8}
    model = quantize(made("qwen2_5_vl"), tmp_path / "out", config=config, method="rtn")
    opened, original = Checkpoint.open(tmp_path / "out"), Checkpoint.open(made("qwen2_5_vl"))
    assert opened.info("visual.blocks.0.mlp.down_proj.weight_scale").shape == (64, 1)  # 84 inputs: by rows
    assert opened.info("visual.merger.mlp.0.weight_scale").shape == (256, 4)  # 256 inputs: in groups of 64
    assert opened.info("visual.patch_embed.proj.weight").dtype == "F16"
    for linear in model.report.vision:
        found = read_float(opened, f"{linear.name}.weight", torch.float32)
        error = (found - original.read_torch(f"{linear.name}.weight").float()).norm() / found.norm()
        assert 0 < error < 0.01 and linear.error == pytest.approx(float(error) ** 2, rel=1e-2)
    assert (len(model.report.vision), model.plan.vision_linears) == (12, {8: 12})
    stored = sum(info.nbytes for info in opened.tensors.values())
    assert model.plan.output == stored


def test_parts_of_the_tower_can_be_left_out(made, tmp_path):
    config = {"format": "compressed-tensors", "vision_bits": 8, "modules_to_not_convert": ["merger"]}
    model = quantize(made("qwen2_vl"), tmp_path / "out", config=config, method="rtn")
    assert model.plan.vision_linears == {8: 8, 16: 2}
    found = json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]
    assert r"re:.*visual\.merger\.mlp\.0$" in found["ignore"]


def test_eight_bits_need_a_format_and_a_tower(made, checkpoint, tmp_path):
    with pytest.raises(SettingError, match=r"vision_bits is 8 bits, but the AWQ .*--format compressed-tensors"):
        quantize(made("qwen2_vl"), tmp_path / "out", config={"vision_bits": 8})
    with pytest.raises(SettingError, match="vision_bits is 4; use 16"):
        quantize(made("qwen2_vl"), tmp_path / "out", config={"vision_bits": 4})
    with pytest.raises(SettingError, match="vision_bits is 8, but a llama model has no vision tower"):
        config = {"vision_bits": 8, "format": "compressed-tensors"}
        quantize(checkpoint("llama"), tmp_path / "out", config=config, method="rtn")
    assert list(tmp_path.iterdir()) == []


class Killed(BaseException):
    """Stands for a kill, which nobody catches."""


@pytest.mark.parametrize("method", ["tyllm", "awq"])
def test_killed_at_any_file_a_run_goes_on_to_the_same_bytes(made, tmp_path, monkeypatch, method):
    folder = made("qwen2_5_vl")
    quantize(folder, tmp_path / "whole", method=method)
    write, written = WorkFolder.write_part, []

    def dying(work, part, tensors):
        write(work, part, tensors)
        if part not in written:
            written.append(part)
            raise Killed

    monkeypatch.setattr(WorkFolder, "write_part", dying)
    for _ in range(40):
        try:
            quantize(folder, tmp_path / "out", method=method)
            break
        except Killed:
            continue
    same = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "out")]
    assert same[0] == same[1]
    assert {"images", "vision-00000", "vision-00003", "layer-00001", "rest"} <= set(written)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


def test_other_images_do_not_resume(made, tmp_path):
    folder = made("qwen2_5_vl")

    def stop(done, total, what):
        if what.startswith("layer 1"):
            raise Killed

    quantize(folder, tmp_path / "whole")
    with pytest.raises(Killed):
        quantize(folder, tmp_path / "out", [conversation(image(50 + i), i) for i in range(8)], progress=stop)
    assert (tmp_path / "out.partial" / "images.part").exists()
    quantize(folder, tmp_path / "out")
    assert len({(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "out")}) == 1


def test_a_budget_of_bits_and_overrides_under_stored_names(made, tmp_path):
    model = quantize(made("qwen2_5_vl"), tmp_path / "out", config={"format": "compressed-tensors"}, bits_per_weight=5.5)
    kept = model.quant_config.overrides
    assert kept and all(name.startswith(("model.layers.", "lm_head")) for name in kept)
    config = {"overrides": {"model.layers.0.mlp.up_proj": None}}
    quantize(made("qwen2_5_vl"), tmp_path / "float", config=config, method="rtn")
    assert "model.layers.0.mlp.up_proj.weight" in Checkpoint.open(tmp_path / "float")
    stated = json.loads((tmp_path / "float" / "config.json").read_text())["quantization_config"]
    assert stated["modules_to_not_convert"][2:] == ["layers.0.mlp.up_proj"]


def test_one_block_of_the_tower_is_in_memory(made, tmp_path, monkeypatch):
    build, built, seen = MetaModel.build, [], []

    def remember(*arguments):
        built.append(build(*arguments))
        return built[0]

    def progress(done, total, what):
        if what.startswith(("images", "model.visual")):
            filled = {name for name, unit in built[0].tower.units() for p in unit.parameters() if not p.is_meta}
            seen.append((what, len(filled)))

    monkeypatch.setattr(MetaModel, "build", remember)
    quantize(made("qwen2_5_vl"), tmp_path / "out", progress=progress)
    assert {what for what, _ in seen} >= {"images, model.visual.blocks.1", "model.visual.merger"}
    assert {count for _, count in seen} == {0}  # each is told before it is filled, and the one before is gone by then


def test_the_plan_counts_tower_and_images(made, tmp_path):
    model = quantize(made("qwen2_5_vl", False), tmp_path / "out")
    parameters = sum(p.numel() for p in awq.load_quantized(made("qwen2_5_vl", False)).parameters())
    assert (model.plan.weights, model.plan.vision_linears) == (parameters, {16: 12})
    assert (model.plan.images, model.plan.tokens) == (8, 4 * 64)
    assert replace(model.plan).document()["images"] == 8
    assert model.plan.output == sum(info.nbytes for info in Checkpoint.open(tmp_path / "out").tensors.values())


def test_text_that_the_model_writes_itself(made, tmp_path):
    quantize(made("qwen2_5_vl", False), tmp_path / "out", "self", max_calib_seq_len=24)
    assert divergence(made("qwen2_5_vl", False), tmp_path / "out") < 1.0


def test_images_for_a_model_of_text(checkpoint, tmp_path):
    model = AutoAWQForCausalLM.from_pretrained(checkpoint("llama"))
    with pytest.raises(
        CalibrationError, match="Conversation 2 of the calibration data has an image, but a llama model"
    ):
        model.quantize(tokenizer(), CONFIG, [[{"role": "user", "content": "Hi"}], *TALKS], quant_path=tmp_path / "out")
