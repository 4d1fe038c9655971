"""The door for Python: the manual's arguments, and where the package goes when nobody says."""

import inspect

import pytest

from tyllm.build_util import build_and_compile_llm
from tyllm.llm import compiler
from tyllm_base.errors import SettingError


@pytest.fixture
def settings(monkeypatch):
    """What the compiler is given, instead of compiling."""
    given = []

    def compile_checkpoint(settings, progress):
        given.append(settings)
        return settings.artifacts_path

    monkeypatch.setattr(compiler, "compile_checkpoint", compile_checkpoint)
    return given


def test_the_manuals_arguments_and_defaults():
    parameters = inspect.signature(build_and_compile_llm).parameters
    names = ["model_path", "artifacts_path", "max_kv_cache_size", "seq_len_list", "dev_count", "embedding_as_input"]
    assert list(parameters)[:6] == names
    assert [parameters[name].default for name in names[1:]] == [None, 4096, None, 1, False]


def test_the_package_lies_beside_the_checkpoint(settings, tmp_path):
    folder = build_and_compile_llm(tmp_path / "Qwen", dev_count=2)
    assert folder == tmp_path / "Qwen-AOT" / "2die"


def test_a_folder_of_ones_own(settings, tmp_path):
    assert build_and_compile_llm(str(tmp_path / "Qwen"), str(tmp_path / "mine")) == tmp_path / "mine"


def test_settings_arrive(settings):
    build_and_compile_llm(
        "model", "out", 64, [1, 4], 3, True, activations="float16", kv_cache_dtype="int8", quantize="rtn"
    )
    (found,) = settings
    assert (found.max_kv_cache_size, found.seq_lens, found.dies, found.embedding_as_input) == (64, (1, 4), 3, True)
    assert (found.activations, found.kv_cache_dtype, found.quantize) == ("float16", "int8", "rtn")
    assert not found.trust_remote_code and not found.overwrite


def test_mistakes_are_refused_before_any_work(tmp_path):
    with pytest.raises(SettingError, match=r"dev_count \(--dies\) is 6"):
        build_and_compile_llm(tmp_path, tmp_path / "out", dev_count=6)
