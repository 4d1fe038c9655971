"""The tokens that end a text, and which file says so."""

import pytest

from tyllm.runtime import Session
from tyllm.runtime.generation.eos_tokens import eos_token_ids


@pytest.mark.parametrize(
    ("generation_config", "config", "ids"),
    [
        ({"eos_token_id": [2, 3]}, {"eos_token_id": 1}, (2, 3)),
        ({"eos_token_id": None}, {"eos_token_id": 1}, (1,)),
        ({}, {"text_config": {"eos_token_id": 0}}, (0,)),
        ({}, {"text_config": None}, ()),
    ],
)
def test_the_generation_config_comes_first(generation_config, config, ids):
    assert eos_token_ids(generation_config, config) == ids


def test_the_tokenizers_own_ends_a_text_too():
    assert eos_token_ids({"eos_token_id": [2, 3]}, {}, 5) == (2, 3, 5)
    assert eos_token_ids({"eos_token_id": [2, 3]}, {}, 3) == (2, 3)
    assert eos_token_ids({}, {}, 0) == (0,)


def test_a_session_reads_them(toy_library, tmp_path):
    from fake_package import Fake

    fake = Fake(toy_library)
    folder = fake.write(tmp_path / "p")
    with Session(folder) as session:
        assert session.eos_token_ids == (256, 258)
    (folder / "generation_config.json").unlink()
    fake.write_manifest(folder)
    with Session(folder) as other:
        assert other.eos_token_ids == (257, 258)  # config.json's and the tokenizer's
