"""The vision tower streamed unit by unit gives what Hugging Face's whole model gives."""

import pytest
import torch
from tests.awq.tiny_vision_models import FAMILIES, conversation, image, tokenizer, write_vision_checkpoint

import awq
from awq.calibration import image_embeddings
from awq.calibration.image_embeddings import TowerPass, inserted_images
from awq.calibration.image_samples import image_samples
from awq.stream.layerwise_pass import layerwise_pass
from awq.stream.meta_model import MetaModel
from awq.work.work_folder import WorkFolder
from hf_checkpoint.checkpoint import Checkpoint

SIZES = [(84, 56), (56, 112), (140, 140), (28, 28)]
TALKS = [conversation(image(seed, *size), seed) for seed, size in enumerate(SIZES)]


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request, tmp_path_factory):
    return write_vision_checkpoint(tmp_path_factory.mktemp("vl"), request.param)


def prepared(folder):
    meta_model = MetaModel.build(Checkpoint.open(folder), torch.device("cpu"))
    return meta_model, image_samples(TALKS, tokenizer(), meta_model, 2, 80)


@torch.no_grad()
def test_streamed_embeddings_are_the_models(folder, monkeypatch):
    monkeypatch.setattr(image_embeddings, "PATCHES", 40)  # two groups
    meta_model, samples = prepared(folder)
    found = TowerPass(meta_model, samples).embeddings()
    model = awq.load_quantized(folder)
    patches = torch.cat([samples.processor.patches(each) for each in samples.images])
    grids = torch.tensor([each.grid for each in samples.images])
    wanted = torch.cat(model.model.get_image_features(patches, grids).pooler_output)
    torch.testing.assert_close(found, wanted)
    assert all(parameter.is_meta for parameter in meta_model.tower.module.parameters())


@torch.no_grad()
def test_a_walk_over_images_is_the_models_forward(folder, tmp_path):
    meta_model, samples = prepared(folder)
    work = WorkFolder(tmp_path)
    inserted = inserted_images(samples, meta_model, work)
    last = layerwise_pass(
        meta_model, samples.tokens, lambda index, layer, arguments: arguments.call(layer), inserted=inserted
    )
    model = awq.load_quantized(folder)
    whole = image_samples(TALKS, tokenizer(), meta_model, 2, 80)
    embedded = model.get_input_embeddings()(whole.tokens)
    features = inserted.embeddings[whole.rows[whole.rows >= 0]]
    embedded[whole.rows >= 0] = features
    wanted = model.model(inputs_embeds=embedded, position_ids=whole.positions).last_hidden_state
    torch.testing.assert_close(last.hidden, wanted, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_they_wait_in_the_work_folder(folder, tmp_path, monkeypatch):
    meta_model, samples = prepared(folder)
    work = WorkFolder(tmp_path)
    first = inserted_images(samples, meta_model, work)
    monkeypatch.setattr(TowerPass, "embeddings", lambda self: 1 / 0)
    assert torch.equal(inserted_images(samples, meta_model, work).embeddings, first.embeddings)
    assert inserted_images(None, meta_model, work) is None


@torch.no_grad()
def test_one_unit_is_filled_at_a_time(folder):
    meta_model, samples = prepared(folder)
    seen = []

    def progress(done, total, what):
        seen.append(
            (done, total, {name for name, unit in meta_model.tower.units() if not next(unit.parameters()).is_meta})
        )

    TowerPass(meta_model, samples, progress).embeddings()
    assert seen == [(index, 4, set()) for index in range(4)]
