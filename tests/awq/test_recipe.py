"""A recipe's fingerprint changes with whatever changes the bytes."""

import dataclasses
import os
import shutil

import pytest
import torch

from awq.quant_config import QuantConfig
from awq.recipe import Recipe, calibration_budget
from hf_checkpoint.checkpoint import Checkpoint
from tyllm_base.errors import SettingError

RECIPE = Recipe(QuantConfig(), "awq", torch.arange(64).view(4, 16))


@pytest.mark.parametrize(
    "change",
    [
        {"method": "rtn"},
        {"config": QuantConfig(q_group_size=64)},
        {"samples": torch.arange(64).view(4, 16) + 1},
        {"samples": torch.arange(64).view(8, 8)},
        {"parts": frozenset({"scale"})},
        {"duo_scaling": False},
        {"search_tokens": 16},
    ],
)
def test_settings_count(checkpoint, change):
    opened = Checkpoint.open(checkpoint("qwen2"))
    assert RECIPE.fingerprint(opened) == dataclasses.replace(RECIPE).fingerprint(opened)
    assert RECIPE.fingerprint(opened) != dataclasses.replace(RECIPE, **change).fingerprint(opened)


@pytest.mark.parametrize(
    ("name", "value"),
    [("awq.recipe.REVISION", -1), ("awq.recipe.has_tiles", lambda: None), ("torch.get_num_threads", lambda: 1000)],
)
def test_what_computes_counts(checkpoint, monkeypatch, name, value):
    opened = Checkpoint.open(checkpoint("qwen2"))
    before = RECIPE.fingerprint(opened)
    monkeypatch.setattr(name, value)
    assert RECIPE.fingerprint(opened) != before


def test_the_checkpoint_counts(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint("qwen2"), tmp_path / "copy")
    before = RECIPE.fingerprint(Checkpoint.open(folder))
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert RECIPE.fingerprint(Checkpoint.open(folder)) != before


def test_search_replays_no_more_tokens_than_asked():
    for tokens in (1, 16, 20, 40, 64, 1000):
        step = dataclasses.replace(RECIPE, search_tokens=tokens).search_step
        assert len(RECIPE.samples[::step]) * 16 <= max(16, tokens)


def test_budget_takes_the_users_choice():
    assert calibration_budget(torch.device("cpu"), None, None, None, None)[:3] == (16, 512, 512)
    assert calibration_budget(torch.device("cpu"), 3, 7, 9, 7)[:3] == (3, 7, 9)
    assert calibration_budget(torch.device("cuda"), None, None, None, 4096)[:2] == (128, 512)


def test_samples_are_no_longer_than_the_model_knows():
    cpu = torch.device("cpu")
    assert calibration_budget(cpu, None, None, None, 256).length == 256
    with pytest.raises(
        SettingError, match="max_calib_seq_len is 300, and the model has 256 positions; give 256 or less"
    ):
        calibration_budget(cpu, None, 300, None, 256)
