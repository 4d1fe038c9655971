"""What two files of a package say is compared at opening: the sentence names both files and both values."""

import re

import pytest
from tests.forgeries import at, edit, read

from tyllm.package import FORMAT_VERSION, open_package
from tyllm_base.errors import PackageError

FACTS = {"model_type": "toy", "vocab_size": 260, "hidden_size": 8, "num_hidden_layers": 1}


def refused(package, *words):
    with pytest.raises(PackageError) as caught:
        open_package(package)
    sentence = str(caught.value)
    assert [word for word in words if not re.search(word, sentence)] == [], sentence


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vocab_size": 261}, ["vocab_size is 261 in manifest.json and 260 in buffer_config.json"]),
        ({"seq_lens": [8]}, [r"seq_lens is \[8\] in manifest.json and \[1, 8\]"]),
        ({"layers": 2}, ["layers is 2 in manifest.json and 1 in buffer_config.json"]),
        ({"embedding_as_input": True}, ["embedding_as_input is True in manifest.json and False"]),
        ({"die_order": [0]}, ["die_order"]),
        ({"die_order": [1, 1]}, ["die_order"]),
        ({"hidden_size": 9}, []),
    ],
)
def test_the_manifest_and_the_buffers(own_toy, changes, words):
    edit(own_toy, "manifest.json", **changes)
    if not words:  # a decoder of tokens says its width nowhere else
        assert open_package(own_toy).manifest.hidden_size == 9
    else:
        refused(own_toy, *words)


@pytest.mark.parametrize("place", [(), ("text_config",)])
@pytest.mark.parametrize("name", FACTS)
def test_the_manifest_and_the_config(own_toy, name, place):
    raw = read(own_toy / "config.json")
    raw = raw | FACTS if not place else raw | {"model_type": "toy", "text_config": dict(FACTS)}
    edit(own_toy, "config.json", **raw)
    open_package(own_toy)
    if name == "model_type" and place:
        return
    holder = at(raw, place)
    holder[name] = "other" if name == "model_type" else holder[name] + 1
    edit(own_toy, "config.json", **raw)
    refused(own_toy, rf"{name} is \w+ in manifest.json and \w+ in config.json")


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        ("config.json", {"vocab_size": 1.5}, r"config.json says what cannot be \(Expected `int \| null`, got `float`"),
        ("config.json", {"eos_token_id": [1, "x"]}, "eos_token_id"),
        ("config.json", {"text_config": 7}, "text_config"),
        ("generation_config.json", {"eos_token_id": 2**40}, "generation_config.json says what cannot be"),
        ("generation_config.json", {"eos_token_id": {"a": 1}}, "generation_config.json says what cannot be"),
    ],
)
def test_the_checkpoints_own_files_have_bounds_too(own_toy, file, changes, words):
    edit(own_toy, file, **changes)
    refused(own_toy, words)


def test_a_name_in_a_config_is_printed_harmlessly(own_toy):
    edit(own_toy, "config.json", model_type="\x1b[2J")
    refused(own_toy, r"model_type is toy in manifest.json and \\x1b\[2J in config.json")


def test_a_text_model_has_no_rotary_module(own_toy):
    edit(own_toy, "manifest.json", rope=None, visual=None)
    open_package(own_toy)
    memory = {"arena_bytes": 64, "io_bytes": 64, "constants_offset": 0, "io": {}}
    buffers = {"format_version": FORMAT_VERSION, "dies": [{"die": 0, "programs": {"a": memory}}]}
    aot = {"format_version": FORMAT_VERSION, "code": "x.so", "params": "x.params",
           "programs": [{"name": "a", "export": "a", "inputs": [], "outputs": []}]}  # fmt: skip
    edit(own_toy, "manifest.json", rope=[aot, buffers])
    refused(own_toy, "a vision tower is False in manifest.json and True in manifest.json, as rope,")
