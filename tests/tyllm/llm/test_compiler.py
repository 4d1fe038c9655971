"""The driver: a checkpoint becomes a whole package, or nothing."""

import json

import numpy as np
import pytest
from tests.tiny_checkpoint import edit_tensor

from tyllm.build_util import build_and_compile_llm
from tyllm.llm import decoder_build
from tyllm.package import Manifest, file_hashes, verify_package
from tyllm.package.file_hashes import HashCache
from tyllm.runtime import Session
from tyllm_base.errors import CheckpointError

KINDS = ("so", "params")


@pytest.fixture(scope="module")
def packages(tiny, tmp_path_factory):
    """`packages(dies, …)`: the tiny checkpoint compiled, once for each setting; and the steps it reported."""
    made = {}

    def compiled(dies, **settings):
        key = (dies, *sorted(settings.items()))
        if key not in made:
            steps = []
            output = tmp_path_factory.mktemp("packages") / "package"
            report = lambda *step: steps.append(step)  # noqa: E731
            build_and_compile_llm(tiny, output, 64, [1, 4], dies, activations="float16", progress=report, **settings)
            made[key] = output, steps
        return made[key]

    return compiled


def tree(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_is_complete(packages):
    folder, _ = packages(4)
    expected = {"config.json", "buffer_config.json", "empty.bin", "manifest.json", "program.json", "tokenizer.json"}
    expected |= {f"batch_1/common_die{die}.params" for die in (0, 1)}
    expected |= {
        f"batch_1/seqlen_{s}/llm_die{die}.{kind}" for s in (1, 4) for die in (0, 1) for kind in ("so", "params")
    }
    assert expected <= tree(folder)
    assert not [name for name in tree(folder) if name.endswith((".o", ".safetensors"))]
    verify_package(folder)


def test_progress_reaches_its_end(packages):
    _, steps = packages(4)
    done = [done for done, _, _ in steps]
    assert done == sorted(set(done)) and {total for _, total, _ in steps} == {done[-1]}
    said = [what for _, _, what in steps]
    assert {"pack model.embed_tokens.weight", "capture 4 tokens, die 0", "lower 1 tokens, die 2"} < set(said)


def test_the_first_opening_reads_no_parameters_again(packages, monkeypatch):
    folder, _ = packages(4)
    monkeypatch.setattr(file_hashes, "sha256_of", lambda path: pytest.fail(f"{path} is read"))
    entries = Manifest.read(folder).files
    for die in range(4):
        name = f"batch_1/common_die{die}.params"
        assert HashCache().cached_sha256(folder / name) == entries[name].sha256


def test_dies_of_equal_shapes_share_their_code(packages):
    """192 inputs of the MLP are six groups of 32: two dies hold two, two hold one."""
    folder, _ = packages(4)
    codes = [(folder / f"batch_1/seqlen_4/llm_die{die}.so").read_bytes() for die in range(4)]
    assert codes[0] == codes[1] != codes[2] == codes[3]


def test_the_same_settings_give_the_same_bytes(packages, tiny, tmp_path):
    folder, _ = packages(1)
    again = build_and_compile_llm(tiny, tmp_path / "again", 64, [1, 4], activations="float16")
    for name in tree(folder):
        assert (folder / name).read_bytes() == (again / name).read_bytes(), name


def test_dies_agree(packages):
    tokens = [5, 17, 300, 2, 2, 90, 41]
    with Session(packages(1)[0]) as one, Session(packages(4)[0]) as several:
        np.testing.assert_allclose(several.logits(tokens), one.logits(tokens), rtol=1e-3, atol=2e-4)


def test_embeddings_as_input(packages):
    folder, _ = packages(1, embedding_as_input=True)
    assert "embedding.params" in tree(folder)
    io = json.loads((folder / "buffer_config.json").read_text())["dies"][0]["programs"]["4"]["io"]
    assert io["embeddings"]["shape"] == [1, 4, 128] and "tokens" not in io
    tokens = [5, 17, 300, 2, 2]
    with Session(packages(1)[0]) as one, Session(folder) as other:
        np.testing.assert_allclose(other.logits(tokens), one.logits(tokens), rtol=1e-3, atol=2e-4)


def test_a_failure_in_the_middle_leaves_nothing(own_tiny, tmp_path):
    name = "model.layers.1.mlp.down_proj.weight"
    edit_tensor(own_tiny, name, lambda array: np.full_like(array, np.nan))
    with pytest.raises(CheckpointError, match=name):
        build_and_compile_llm(own_tiny, tmp_path / "out" / "package", 64)
    assert not list((tmp_path / "out").glob("*"))


def test_an_interrupt_in_the_middle_leaves_nothing(tiny, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(decoder_build, "build_shared_object", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_and_compile_llm(tiny, tmp_path / "out" / "package", 64)
    assert not list((tmp_path / "out").glob("*"))


def test_overwriting_puts_the_new_in_place_of_the_old(packages, tiny, tmp_path):
    first = build_and_compile_llm(tiny, tmp_path / "package", 32, [1], activations="float16")
    build_and_compile_llm(tiny, first, 48, [1], activations="float16", overwrite=True)
    assert json.loads((first / "manifest.json").read_text())["max_kv_cache_size"] == 48
    assert [path.name for path in tmp_path.iterdir()] == ["package"]
