"""The package's tokenizer never truncates, and its special tokens are found."""

import json

import pytest
from fake_package import write_tokenizer
from tests.hostile_tokenizers import bpe, bytes_to_letters, whole

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


def test_a_panic_at_loading(tmp_path):
    model = bpe(vocab={**bytes_to_letters(), "ab": 256}, merges=["a b"], continuing_subword_prefix="#######")
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole(model)))
    with pytest.raises(PackageError, match="cannot be read"):
        Tokenizer(tmp_path)


class Panicking:
    """A tokenizer of the library that raises whatever it is given."""

    def __init__(self, error):
        self.error = error

    def encode(self, *_, **__):
        raise self.error

    decode = encode


def test_a_panic_later(folder):
    tokenizer = Tokenizer(folder)
    tokenizer._tokenizer = Panicking(
        type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})("index 9")
    )
    with pytest.raises(GenerationError, match=r"cannot encode this text \(index 9\)"):
        tokenizer.encode("a")
    with pytest.raises(GenerationError, match=r"cannot decode \[1\] \(index 9\)"):
        tokenizer.decode([1])
    tokenizer._tokenizer = Panicking(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        tokenizer.encode("a")
    with pytest.raises(KeyboardInterrupt):
        tokenizer.decode([1])


@pytest.mark.parametrize("wrong", [[-1], [2**32], [1.5], ["a"]])
def test_what_is_no_token(folder, wrong):
    with pytest.raises(GenerationError, match="cannot decode"):
        Tokenizer(folder).decode(wrong)


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


def test_special_tokens_and_a_token_by_its_text(folder):
    tokenizer = Tokenizer(folder)
    end = tokenizer.token_id("<|im_end|>")
    assert tokenizer.special[end] == "<|im_end|>" and tokenizer.encode("<|im_end|>") == [end]
    assert tokenizer.token_id("nothing like it") is None
    assert all(tokenizer.decode([token], skip_special_tokens=True) == "" for token in tokenizer.special)
