"""What lies beside the weights is found and copied; weights and config.json are not."""

import os
import warnings

import pytest

from hf_checkpoint.auxiliary_files import auxiliary_files, copy_auxiliary_files

COPIED = {"generation_config.json", "chat_template.jinja", "tokenizer.json", "vocab.json", "preprocessor_config.json"}


def test_what_is_copied(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    for folder in (source, target, source / "tokenizer_folder"):
        folder.mkdir()
    for name in (*COPIED, "config.json", "model.safetensors", "README.md"):
        (source / name).write_text(name)
    assert {file.name for file in auxiliary_files(source)} == COPIED
    copy_auxiliary_files(source, target)
    assert {file.name for file in target.iterdir()} == COPIED
    assert (target / "tokenizer.json").read_text() == "tokenizer.json"


def test_links_out_of_the_folder_and_special_files_are_not_copied(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "secret").write_text("secret")
    (source / "chat_template_x.txt").symlink_to("/etc/passwd")
    (source / "tokenizer_config.json").symlink_to("../secret")
    (source / "own.json").write_text("own")
    (source / "tokenizer.json").symlink_to("own.json")
    os.mkfifo(source / "merges.txt")
    (source / "vocab.txt").symlink_to("/dev/zero")
    with pytest.warns(UserWarning, match=r"is a link to .*, out of the checkpoint, and is not copied") as warned:
        assert [file.name for file in auxiliary_files(source)] == ["tokenizer.json"]
    assert len(warned) == 2


def test_the_hubs_cache_is_made_of_links(tmp_path):
    model = tmp_path / "models--org--name"
    snapshot = model / "snapshots" / "abc"
    for folder in (snapshot, model / "blobs"):
        folder.mkdir(parents=True)
    (model / "blobs" / "1").write_text("tokens")
    (snapshot / "tokenizer.json").symlink_to("../../blobs/1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [file.name for file in auxiliary_files(snapshot)] == ["tokenizer.json"]
    (tmp_path / "other").write_text("secret")
    (snapshot / "vocab.json").symlink_to("../../../other")
    with pytest.warns(UserWarning, match="out of the checkpoint"):
        assert [file.name for file in auxiliary_files(snapshot)] == ["tokenizer.json"]
