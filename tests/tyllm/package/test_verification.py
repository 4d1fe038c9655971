"""Each way in which a package's files can be wrong has a sentence of its own."""

import json
import os
import re
from pathlib import Path

import pytest
from tests.forgeries import reseal

from tyllm.package import FORMAT_VERSION, RUNTIME_ABI, file_entries, open_package, verify_package
from tyllm_base.errors import PackageError

CODE, PARAMS = "batch_1/seqlen_8/llm_die1.so", "batch_1/common_die0.params"


def flip(path: Path, at: int = -5) -> None:
    """Change one bit."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def edit(path: Path, change) -> None:
    """Change a JSON file, and make all hashes right."""
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))
    reseal(path.parent, path.name)


def fails(package: Path, words: str, check=open_package) -> None:
    with pytest.raises(PackageError, match=re.escape(words)) as caught:
        check(package)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    assert caught.value.exit_code == 6


def test_a_good_package_opens_and_verifies(own_toy):
    assert open_package(own_toy).manifest == verify_package(own_toy)


def test_no_folder(tmp_path):
    fails(tmp_path / "nowhere", "is no folder")


def test_a_folder_that_is_no_package(tmp_path):
    fails(tmp_path, "is no package: it has no manifest.json")


@pytest.mark.parametrize("name", [CODE, PARAMS, "config.json", "tokenizer.json"])
def test_missing_file(own_toy, name):
    (own_toy / name).unlink()
    fails(own_toy, f"lacks {name}")


def test_extra_file(own_toy):
    (own_toy / "batch_1" / "more.so").write_bytes(b"")
    fails(own_toy, "holds batch_1/more.so, which its manifest does not name")


@pytest.mark.parametrize("name", ["model.sig", "model.sig.tmp"])
def test_a_signature_is_no_extra_file_and_another_place_has_none(own_toy, name):
    (own_toy / name).write_bytes(b"anything")
    assert open_package(own_toy).manifest == verify_package(own_toy)
    assert name not in file_entries(own_toy)
    (own_toy / "batch_1" / name).write_bytes(b"anything")
    fails(own_toy, f"holds batch_1/{name}, which its manifest does not name")


@pytest.mark.parametrize("name", [CODE, PARAMS, "config.json"])
def test_truncated_file(own_toy, name):
    path = own_toy / name
    path.write_bytes(path.read_bytes()[:-1])
    fails(own_toy, "is truncated")


def test_longer_file(own_toy):
    with (own_toy / PARAMS).open("ab") as file:
        file.write(b"!")
    fails(own_toy, "is too long")


@pytest.mark.parametrize("name", [CODE, PARAMS, "config.json", "buffer_config.json"])
def test_flipped_bit(own_toy, name):
    flip(own_toy / name)
    fails(own_toy, f"{name} was changed or damaged")
    fails(own_toy, f"{name} was changed or damaged", verify_package)


def test_flipped_bit_in_params_that_were_right_before(own_toy):
    open_package(own_toy)
    status = (own_toy / PARAMS).stat()
    flip(own_toy / PARAMS)
    os.utime(own_toy / PARAMS, ns=(status.st_atime_ns, status.st_mtime_ns))  # even with the old time
    fails(own_toy, f"{PARAMS} was changed or damaged")


@pytest.mark.parametrize(("field", "ours"), [("format_version", FORMAT_VERSION), ("runtime_abi", RUNTIME_ABI)])
def test_another_version(own_toy, field, ours):
    edit(own_toy / "manifest.json", lambda raw: raw.update({field: 99}))
    fails(own_toy, f"has {field} 99, this TyLLM reads {ours}")


def test_another_machine(own_toy):
    edit(own_toy / "manifest.json", lambda raw: raw["target"].update(triple="s390x-linux-gnu"))
    fails(own_toy, "was compiled for s390x, this machine is")


def test_another_cpu(own_toy):
    edit(own_toy / "manifest.json", lambda raw: raw["target"].update(features=["quantum_dot4"]))
    fails(own_toy, "was compiled for a CPU with quantum_dot4, which this one lacks")


def test_manifest_that_is_no_json(own_toy):
    (own_toy / "manifest.json").write_text("{")
    fails(own_toy, "manifest.json is not valid JSON")


def test_manifest_without_a_field(own_toy):
    edit(own_toy / "manifest.json", lambda raw: raw.pop("dies"))
    fails(own_toy, "missing required field `dies`")


def test_manifest_with_a_field_of_another_type(own_toy):
    edit(own_toy / "manifest.json", lambda raw: raw.update(seq_lens=7))
    fails(own_toy, "Expected `array`, got `int`")


def test_manifest_that_names_a_file_outside(own_toy):
    edit(own_toy / "manifest.json", lambda raw: raw["files"].update({"../x": {"size": 0, "sha256": ""}}))
    fails(own_toy, "at `key` in `$.files`")


def test_manifest_that_forgets_code(own_toy):
    edit(own_toy / "manifest.json", lambda raw: raw["files"].pop(CODE))
    (own_toy / CODE).unlink()
    fails(own_toy, f"does not name {CODE}")


def test_manifest_that_contradicts_the_buffers(own_toy):
    edit(own_toy / "manifest.json", lambda raw: raw.update(max_kv_cache_size=65))
    fails(own_toy, "max_kv_cache_size is 65 in manifest.json and 64 in buffer_config.json")


def test_verify_reports_progress_in_bytes(own_toy):
    seen = []
    verify_package(own_toy, lambda done, total, what: seen.append((done, total, what)))
    assert seen[-1][0] == seen[-1][1] == sum(p.stat().st_size for p in own_toy.rglob("*") if p.name != "manifest.json"
                                             and p.is_file())  # fmt: skip
