"""A manifest comes back from its file as it was; one that is another by a bit, or is not sealed, is refused."""

import json

import pytest
from tests.forgeries import reseal

from tyllm.package import Exports, FileEntry, Manifest, QuantizationEntry, Target
from tyllm.package.manifest import without_digest
from tyllm_base.errors import PackageError

MANIFEST = Manifest(
    tyllm_version="2", architecture="Qwen2ForCausalLM", model_type="qwen2", vocab_size=10, hidden_size=4, layers=2,
    dies=2, seq_lens=(1, 8), max_kv_cache_size=64, embedding_as_input=False, activations="int8",
    quantization=QuantizationEntry("awq", 4, 32), target=Target("a", "x86_64-linux-gnu", "b", ("f",)),
    exports=Exports("llm_body", "llm_head"), built_with={"python": "3"}, source={"checkpoint": "c"},
    files={"a/b": FileEntry(3, "0" * 64)},
)  # fmt: skip


@pytest.fixture
def path(tmp_path):
    MANIFEST.write_manifest(tmp_path)
    return tmp_path / "manifest.json"


def test_round_trip(path):
    assert Manifest.read(path.parent) == MANIFEST
    assert MANIFEST.target.machine == "x86_64"


def test_every_bit_counts(path):
    """In spaces, in keys, in the version and in the hash itself too."""
    good, accepted = path.read_bytes(), []
    for bit in range(8 * len(good)):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        try:
            Manifest.parse(bytes(data), path)
        except PackageError:
            continue
        accepted.append(bit)
    assert accepted == []


@pytest.mark.parametrize("count", [1, 2, 3, 60, 100, 1000])
def test_a_cut_manifest(path, count):
    data = path.read_bytes()
    for part in (data[:-count], data[count:]):
        with pytest.raises(PackageError):
            Manifest.parse(part, path)


def test_without_its_hash_it_is_refused(path):
    raw = json.loads(path.read_text())
    del raw["sha256"]
    with pytest.raises(PackageError, match="does not end with its SHA-256"):
        Manifest.parse(json.dumps(raw, indent=2).encode(), path)


def test_a_package_of_an_older_format_is_told_so(path):
    raw = json.loads(path.read_text()) | {"format_version": 2, "runtime_abi": 1, "tyllm_version": "2.0\x1b[2J"}
    del raw["sha256"]
    with pytest.raises(PackageError, match=r"has format_version 2, .* compiled it \(2\.0\\x1b\[2J\)"):
        Manifest.parse(json.dumps(raw, indent=2).encode(), path)


def test_the_hash_is_of_the_file_with_zeros_in_its_place(path):
    data = path.read_bytes()
    zeros, digest = without_digest(data)
    assert data == zeros[: -len(digest) - 4] + digest + zeros[-4:]
    reseal(path.parent)
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dies": 2**31}, "<= 64 - at `$.dies`"),
        ({"layers": 10**9}, "<= 10000 - at `$.layers`"),
        ({"vocab_size": 1.5}, "Expected `int`, got `float`"),
        ({"seq_lens": [0]}, ">= 1 - at `$.seq_lens[0]`"),
        ({"embedding_as_input": 1}, "Expected `bool`, got `int`"),
        ({"more": 1}, "unknown field `more`"),
        ({"exports": {"body": "a b", "head": "c"}}, "at `$.exports.body`"),
        ({"target": {"name": "a", "triple": "b", "features": []}}, "leaves out target.cpu"),
        ({"files": {"/etc/passwd": {"size": 1, "sha256": "0" * 64}}}, "at `key` in `$.files`"),
        ({"files": {"a/../b": {"size": 1, "sha256": "0" * 64}}}, "at `key` in `$.files`"),
        ({"files": {"a": {"size": 1, "sha256": "0" * 63}}}, "at `$.files[...].sha256`"),
        ({"model_type": "\x1b[2J"}, "at `$.model_type`"),
    ],
)
def test_every_field_has_bounds(path, changes, words):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    reseal(path.parent)
    with pytest.raises(PackageError) as refused:
        Manifest.read(path.parent)
    assert words in str(refused.value)
    assert str(refused.value).isprintable()
