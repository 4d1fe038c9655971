"""The kind of a folder decides which predictor opens it."""

import pytest

from tyllm.evaluate.checkpoint_predictor import CheckpointPredictor
from tyllm.evaluate.open_predictor import is_package, open_predictor
from tyllm.evaluate.package_predictor import PackagePredictor
from tyllm_base.errors import CheckpointError


def test_a_package_has_a_manifest(toy, tiny):
    assert is_package(toy(dies=2)) and not is_package(tiny)


def test_a_package(toy):
    with open_predictor(toy(dies=2)) as predictor:
        assert isinstance(predictor, PackagePredictor)
        assert (predictor.vocabulary, predictor.context) == (260, 64)


def test_a_checkpoint(tiny):
    with open_predictor(tiny) as predictor:
        assert isinstance(predictor, CheckpointPredictor)
        assert predictor.vocabulary == 320


def test_neither(tmp_path):
    with pytest.raises(CheckpointError, match=r"has no config\.json; give a Hugging Face model folder or a compiled"):
        open_predictor(tmp_path)
