"""A model is a local folder, or a name that the hub's client resolves."""

import huggingface_hub
import pytest

from hf_checkpoint.hub import local_folder
from tyllm_base.errors import CheckpointError


def test_a_local_folder_is_itself(tmp_path):
    assert local_folder(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("path", ["nowhere", "./no/where", "/no/where/at/all", "../nowhere"])
def test_what_cannot_be_a_name_is_not_downloaded(path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: pytest.fail("asked the hub"))
    with pytest.raises(CheckpointError, match="is not a folder"):
        local_folder(path)


def test_a_name_is_downloaded_to_the_cache(tmp_path, monkeypatch):
    def snapshot_download(name, cache_dir, allow_patterns):
        assert (name, cache_dir) == ("maker/model", "cache") and "*.safetensors" in allow_patterns
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert local_folder("maker/model", "cache") == tmp_path


def test_a_failed_download_is_one_sentence(monkeypatch):
    def snapshot_download(*_, **__):
        raise ConnectionError("many\nlines")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(CheckpointError, match=r"maker/model is no folder here and cannot be downloaded \(Conn"):
        local_folder("maker/model")
