"""The model's own samples: written once, read when a run goes on, and the same after a kill."""

import pytest
import torch
from tests.awq.tiny_models import VOCABULARY

from awq.calibration import self_calibration
from awq.calibration.generation import generated_samples
from awq.calibration.generation_starts import planned_samples
from awq.calibration.self_calibration import PART, finished_samples
from awq.stream.meta_model import MetaModel
from awq.work.work_folder import WorkFolder
from hf_checkpoint.checkpoint import Checkpoint


@pytest.fixture
def work(tmp_path):
    folder = WorkFolder(tmp_path / "work")
    folder.open("recipe")
    return folder


@pytest.fixture
def model(checkpoint):
    return MetaModel.build(Checkpoint.open(checkpoint("qwen2")), torch.device("cpu"))


PLANNED = planned_samples(None, 3, 12, VOCABULARY)


def test_samples_are_written_once(model, work, monkeypatch):
    first = finished_samples(PLANNED, model, work)
    assert work.has(PART) and first.dtype == torch.int64
    assert torch.equal(first, generated_samples(model, PLANNED))
    assert torch.equal(first[:, 0], PLANNED[:, 0]) and (first >= 0).all() and (first < VOCABULARY).all()
    monkeypatch.setattr(self_calibration, "generated_samples", None)
    assert torch.equal(finished_samples(PLANNED, model, work), first)


def test_a_run_that_was_stopped_writes_the_same(model, work):
    def stop(done, total, what):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finished_samples(PLANNED, model, work, stop)
    assert not work.has(PART)
    assert torch.equal(finished_samples(PLANNED, model, work), generated_samples(model, PLANNED))


def test_whole_samples_stay_as_they_are(model, work):
    samples = torch.zeros((2, 3), dtype=torch.int64)
    assert finished_samples(samples, model, work) is samples
    assert not work.has(PART)
