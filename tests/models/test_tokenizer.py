"""The tokenizer gives back every text, and its files load under a name that other versions know."""

import json

import pytest
from tokenizer import chat_tokenizer, save_tokenizer, train_bpe
from transformers import AutoTokenizer

TEXT = "A list is a sequence; a tuple is one too. Lists change, tuples do not.\n\n    x = [1, 22, 333]\n"


@pytest.fixture(scope="module")
def tokenizer():
    return chat_tokenizer(train_bpe([TEXT] * 4, 300), 128)


@pytest.mark.parametrize("text", [TEXT, "Grüße, 世界 🙂", "\ttabs  and   spaces \n", ""])
def test_text_comes_back(tokenizer, text):
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_special_tokens_come_first(tokenizer):
    assert tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|im_start|>", "<|im_end|>"]) == [0, 1, 2]
    assert len(tokenizer) == 300
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (0, 2)


def test_digits_stand_alone(tokenizer):
    assert [tokenizer.decode([token]) for token in tokenizer("333")["input_ids"]] == ["3", "3", "3"]


def test_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    save_tokenizer(tokenizer, tmp_path)
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["tokenizer_class"] == "PreTrainedTokenizerFast"
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again(TEXT)["input_ids"] == tokenizer(TEXT)["input_ids"]
    chat = again.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True)
    assert chat == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
