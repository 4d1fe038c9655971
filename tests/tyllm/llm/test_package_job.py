"""The job holds what was decided, and refuses before anything is written."""

import json
import shutil
from dataclasses import replace

import pytest
from tests.families.random_model import random_model, save
from tests.hostile_tokenizers import replacing, whole
from tests.tyllm.llm.test_compile_settings import GOOD

from tyllm.build import package_folder
from tyllm.llm.package_job import prepare
from tyllm_base.errors import CheckpointError, OutputError, SettingError


def settings_for(tiny, folder, **changes):
    return replace(GOOD, model_path=tiny, artifacts_path=folder / "package", **changes)


def test_the_decoder_is_planned_over_its_dies(tiny, tmp_path):
    job = prepare(settings_for(tiny, tmp_path, dies=2))
    assert (job.layers, job.plan.sharding.dies, job.vision) == (2, 2, None)
    assert job.stored_bytes == sum(die.layout.total for die in job.plan.dies)
    assert not (tmp_path / "package").exists()


def test_work_counts_each_shape_of_die_and_each_length(tiny, tmp_path):
    one = prepare(settings_for(tiny, tmp_path, seq_lens=(1,)))
    two = prepare(settings_for(tiny, tmp_path, seq_lens=(1, 8)))
    assert two.work - one.work == 2 * (8 + 9 + 6)  # two layers, by capture, lower, generate


def test_an_embedding_that_is_an_input_is_stored_where_the_head_needs_it(tiny, tmp_path):
    job = prepare(settings_for(tiny, tmp_path, embedding_as_input=True))
    tied = job.model.get_input_embeddings().weight is job.model.get_output_embeddings().weight
    assert ("model.embed_tokens.weight" in job.plan.dies[0].formats) == tied


def test_what_no_step_reads_is_not_stored(tmp_path):
    save(random_model("gemma3", {}), tmp_path / "gemma3")
    job = prepare(settings_for(tmp_path / "gemma3", tmp_path))
    stored = job.plan.dies[0].formats
    assert "model.language_model.norm.weight" in stored
    assert not [name for name in stored if "vision" in name or "projector" in name]


def test_a_disk_that_is_too_small(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(package_folder.shutil, "disk_usage", lambda _: package_folder.shutil._ntuple_diskusage(9, 9, 9))
    with pytest.raises(OutputError, match="the disk has"):
        prepare(settings_for(tiny, tmp_path))


def test_a_tokenizer_is_tried_before_the_work(tiny, tmp_path):
    checkpoint = shutil.copytree(tiny, tmp_path / "checkpoint")
    (checkpoint / "tokenizer.json").write_text(json.dumps(whole(normalizer=replacing("a", "a" * 10_000))))
    with pytest.raises(
        CheckpointError, match=r"tokenizer\.json is no tokenizer that can be used: it makes 10,094 tokens"
    ):
        prepare(settings_for(checkpoint, tmp_path))


def test_a_setting_is_refused_before_the_checkpoint_is_opened(tmp_path):
    with pytest.raises(SettingError, match="dev_count"):
        prepare(settings_for(tmp_path / "nowhere", tmp_path, dies=5))
