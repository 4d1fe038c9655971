"""The work folder keeps parts of the same recipe and nothing else."""

import numpy as np
import pytest

from awq.work.work_folder import WorkFolder
from hf_checkpoint.safetensors_file import read_header
from tyllm_base.errors import OutputError


@pytest.fixture
def work(tmp_path):
    folder = WorkFolder(tmp_path / "work")
    folder.open("one")
    folder.write_part("layer", {"a": np.ones(3, np.float16)})
    return folder


def test_the_same_recipe_finds_its_parts(work):
    work.open("one")
    assert work.has("layer") and read_header(work.file("layer"))["a"].shape == (3,)


def test_another_recipe_starts_anew(work):
    work.open("two")
    assert not work.has("layer")


@pytest.mark.parametrize(
    "name",
    ["mlp.up_proj.activations", "mlp.up_proj.tape", "hidden-00001.part", "layer-00000.part.tmp", "state.json.tmp"],
)
def test_what_a_killed_run_left_goes_with_another_recipe(work, name):
    (work.path / name).write_bytes(b"left")
    work.open("one")
    assert (work.path / name).exists()
    work.open("two")
    assert [path.name for path in work.path.iterdir()] == ["state.json"]


def test_a_tensor_that_was_read_outlives_its_part(work):
    found = work.read_tensor("layer", "a")
    work.drop("layer")
    work.drop("layer")
    assert not work.has("layer") and found.tolist() == [1, 1, 1]
    found += 1


def test_a_torn_state_file_starts_anew(work):
    (work.path / "state.json").write_text("{")
    work.open("one")
    assert not work.has("layer")


def test_a_folder_of_others_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(OutputError, match=r"holds thesis\.txt"):
        WorkFolder(tmp_path).open("one")
    assert (tmp_path / "thesis.txt").read_text() == "dear"


def test_remove(work):
    work.remove()
    assert not work.path.exists()
