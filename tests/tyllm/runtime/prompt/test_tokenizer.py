"""The package's tokenizer never truncates, and its special tokens are found."""

import json

import pytest
from fake_package import write_tokenizer

from tyllm.runtime.prompt.tokenizer import Tokenizer, special_tokens
from tyllm_base.errors import GenerationError, PackageError


@pytest.fixture
def folder(tmp_path):
    write_tokenizer(tmp_path)
    return tmp_path


def test_text_comes_back(folder):
    tokenizer = Tokenizer(folder)
    tokens = tokenizer.encode("Grüße 🙂<|im_end|>")
    assert tokens[-1] == 258
    assert tokenizer.decode(tokens) == "Grüße 🙂"
    assert tokenizer.decode(tokens, skip_special_tokens=False) == "Grüße 🙂<|im_end|>"


def test_truncation_and_padding_of_the_file_are_switched_off(folder):
    from tokenizers import Tokenizer as Writer

    writer = Writer.from_file(str(folder / "tokenizer.json"))
    writer.enable_truncation(3)
    writer.enable_padding(length=10)
    writer.save(str(folder / "tokenizer.json"))
    assert len(Tokenizer(folder).encode("a" * 7)) == 7


def test_what_is_no_text(folder):
    with pytest.raises(GenerationError, match="is not Unicode"):
        Tokenizer(folder).encode("\ud83d")


def test_no_tokenizer(tmp_path):
    with pytest.raises(PackageError, match=r"has no tokenizer\.json"):
        Tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(PackageError, match="cannot be read"):
        Tokenizer(tmp_path)


def test_special_tokens_as_text_and_as_objects(tmp_path):
    (tmp_path / "special_tokens_map.json").write_text(
        json.dumps({"bos_token": {"content": "<s>"}, "eos_token": "</s>"})
    )
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<end>", "pad_token": None, "x": 1}))
    assert special_tokens(tmp_path) == {"bos_token": "<s>", "eos_token": "<end>"}
