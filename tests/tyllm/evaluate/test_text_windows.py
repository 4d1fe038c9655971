"""Text into tokens into windows, and what cannot be cut."""

import json
import shutil

import numpy as np
import pytest

from tyllm.evaluate.text_windows import HELD_OUT, check_vocabulary, common_tokens, read_text, windows_of
from tyllm.runtime.prompt.tokenizer import Tokenizer
from tyllm_base.errors import CheckpointError, PackageError, SettingError


def test_windows_are_consecutive_and_the_rest_is_left_out():
    assert windows_of(range(11), 4).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert windows_of(range(3), 4).tolist() == [[0, 1, 2]]
    assert windows_of(range(4), 4).dtype == np.int64


@pytest.mark.parametrize(("tokens", "window", "said"), [([5], 8, "has 1 tokens"), ([1, 2, 3], 1, "window of 1 tokens")])
def test_nothing_to_predict(tokens, window, said):
    with pytest.raises(SettingError, match=said):
        windows_of(tokens, window)


def test_the_bundled_text_is_that_of_the_models(repo):
    assert read_text(None) == (repo / "models" / "heldout.txt").read_text(encoding="utf-8")
    assert HELD_OUT.stat().st_size < 100_000
    assert HELD_OUT.with_name("heldout-license.txt").is_file()


def test_a_file_of_the_users(tmp_path):
    (tmp_path / "text").write_text("Füße", encoding="utf-8")
    assert read_text(tmp_path / "text") == "Füße"


def test_files_that_are_no_text(tmp_path):
    with pytest.raises(SettingError, match="is missing"):
        read_text(tmp_path / "none")
    (tmp_path / "latin").write_bytes("Füße".encode("latin-1"))
    with pytest.raises(SettingError, match="is not UTF-8 text"):
        read_text(tmp_path / "latin")


def test_tokens_of_models_that_agree(toy, tmp_path):
    package = toy()
    assert common_tokens([package, toy(dies=2)], "words") == Tokenizer(package).encode("words")
    assert common_tokens([tmp_path, package], "words") == Tokenizer(package).encode("words")


def test_tokenizers_that_disagree(toy, trained):
    with pytest.raises(SettingError, match="different tokens"):
        common_tokens([toy(), trained], "some words")


def test_no_tokenizer(tmp_path):
    with pytest.raises(SettingError, match=r"has no tokenizer\.json|have no tokenizer\.json"):
        common_tokens([tmp_path], "words")


def test_a_damaged_tokenizer(own_toy, tmp_path):
    (own_toy / "tokenizer.json").write_text(json.dumps({"version": "0"}))
    with pytest.raises(PackageError, match="compile the model again"):
        common_tokens([own_toy], "words")
    shutil.copy(own_toy / "tokenizer.json", tmp_path / "tokenizer.json")
    with pytest.raises(CheckpointError, match="download it again"):
        common_tokens([tmp_path], "words")


def test_a_token_that_the_model_has_not():
    check_vocabulary([0, 9], 10, "model")
    with pytest.raises(SettingError, match="token 10, but model has 10 tokens"):
        check_vocabulary([0, 10], 10, "model")
