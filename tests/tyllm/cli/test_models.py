"""`tyllm models` lists all model types by what is known of them, and says of one checkpoint whether it is taken."""

import json

from tests.families.changes import CHANGES
from tests.families.random_model import random_model, save

from hf_checkpoint.families import FAMILIES
from hf_checkpoint.model_types import ModelType, model_types
from tyllm.cli import models


def test_the_list(tyllm):
    report = json.loads(tyllm("models", "--json").out)
    tested = [model["architecture"] for model in report["models"] if model["state"] == "tested"]
    assert tested == [family.architecture for family in FAMILIES]
    assert report["models"][0] == {
        "architecture": "Qwen2ForCausalLM",
        "model_type": "qwen2",
        "state": "tested",
        "checkpoints": ["Qwen1.5", "Qwen2", "Qwen2.5", "DeepSeek-R1-Distill-Qwen"],
        "tested": "1, 2, 3, 4 dies",
    }


def test_every_type_is_listed_once_with_its_state(tyllm):
    models = json.loads(tyllm("models", "--json").out)["models"]
    assert {model["model_type"] for model in models} == {row.model_type for row in model_types()}
    assert len({model["model_type"] for model in models}) == len(models)
    by_type = {model["model_type"]: model for model in models}
    assert by_type["helium"] == {
        "architecture": "HeliumForCausalLM",
        "model_type": "helium",
        "state": "works",
        "reason": None,
    }
    assert by_type["lfm2"]["state"] == "refused"
    assert "mixes tokens" in by_type["lfm2"]["reason"]


def test_a_reason_stands_once_for_all_its_types(tyllm):
    out = " ".join(tyllm("models").out.split())
    assert out.count("The model mixes tokens outside of attention") == 1
    assert "Refused (" in out and "Not tried (" in out and ", helium, " in out


def test_vision_language_models_are_listed(tyllm):
    assert "Qwen2_5_VLForConditionalGeneration" in tyllm("models", "--json").out
    assert "Qwen2-VL" in tyllm("models").out


def test_a_checkpoint_that_is_taken(tyllm, tiny):
    assert "Qwen2ForCausalLM is taken by tyllm compile; tested on 1, 2, 3, 4 dies." in tyllm("models", tiny).out
    assert json.loads(tyllm("models", tiny, "--json").out)["supported"] is True


def test_a_checkpoint_whose_images_are_left_out(tyllm, tmp_path):
    save(random_model("llava", {}), tmp_path / "llava")
    told = " ".join(tyllm("models", tmp_path / "llava").out.split())
    assert told.startswith("LlavaForConditionalGeneration is taken by tyllm compile")
    assert "It is compiled for text alone: its images are not supported." in told
    assert json.loads(tyllm("models", tmp_path / "llava", "--json").out)["text_alone"] is True


def told(tyllm, folder, monkeypatch, **row):
    """What is said of a checkpoint whose type has this row and is no tested family."""
    monkeypatch.setattr(models, "FAMILIES", ())
    monkeypatch.setattr(models, "model_types", lambda: (ModelType("qwen2", "Qwen2ForCausalLM", **row),))
    return " ".join(tyllm("models", folder).out.split()), json.loads(tyllm("models", folder, "--json").out)


def test_a_checkpoint_of_a_type_that_works(tyllm, tiny, monkeypatch):
    said, report = told(tyllm, tiny, monkeypatch, state="works", reason="")
    assert "is taken by tyllm compile; a tiny random model of its type agrees with transformers on 1 and 3" in said
    assert report == {
        "architecture": "Qwen2ForCausalLM",
        "supported": True,
        "tested": None,
        "state": "works",
        "text_alone": False,
    }


def test_a_checkpoint_of_a_type_that_only_the_compiler_refuses(tyllm, tiny, monkeypatch):
    said, report = told(tyllm, tiny, monkeypatch, state="refused", reason="It has an odd operator.")
    assert "as far as its config tells, but a tiny random model of its type was refused: It has an odd op" in said
    assert report["state"] == "refused"


def test_a_checkpoint_that_is_refused(tyllm, tmp_path):
    folder = tmp_path / "lfm2"
    save(random_model("lfm2", CHANGES["lfm2"]), folder)
    for call in (("models", folder), ("quantize", folder, "--method", "rtn")):
        refused = tyllm(*call)
        assert refused.code == 5
        assert "Lfm2ForCausalLM mixes tokens outside of attention" in refused.err.replace("\n", " ")
    assert [path.name for path in tmp_path.iterdir()] == ["lfm2"]
