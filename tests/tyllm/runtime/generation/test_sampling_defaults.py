"""Sampling parameters of generation_config.json."""

import json

import pytest

from tyllm.runtime import Session
from tyllm.runtime.generation.sampling_defaults import sampling_defaults
from tyllm_base.errors import PackageError


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({}, {}),
        ({"eos_token_id": 3, "max_new_tokens": 512}, {}),
        ({"do_sample": True}, {"temperature": 1.0}),
        ({"do_sample": True, "temperature": 0.6, "top_p": 0.9}, {"temperature": 0.6, "top_p": 0.9}),
        ({"do_sample": False, "temperature": 0.6, "top_p": 0.9}, {"top_p": 0.9}),
        ({"temperature": 0.6, "repetition_penalty": 1.05}, {"repetition_penalty": 1.05}),
        ({"do_sample": True, "temperature": None, "top_k": -1, "min_p": 0}, {"temperature": 1, "top_k": 0, "min_p": 0}),
    ],
)
def test_what_the_author_says(config, found):
    assert sampling_defaults(config) == found


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": -1}, {"temperature": "hot"}, {"top_p": 1.5}, {"min_p": 2}, {"repetition_penalty": 0},
     {"do_sample": "yes"}, {"top_k": 1.5}],
)  # fmt: skip
def test_what_cannot_be(wrong):
    with pytest.raises(PackageError, match="says what cannot be"):
        sampling_defaults(wrong)


@pytest.fixture
def sampling_package(toy_library, tmp_path):
    """A package whose author wants its texts sampled."""
    from fake_package import Fake

    fake = Fake(toy_library)
    folder = fake.write(tmp_path / "p")
    config = {"do_sample": True, "temperature": 3.0, "top_k": 50}
    (folder / "generation_config.json").write_text(json.dumps(config))
    fake.write_manifest(folder)
    return folder


def test_a_session_does_what_the_author_says_where_the_caller_says_nothing(sampling_package):
    from fake_package import reference_greedy

    greedy = reference_greedy([1, 2], 12)
    with Session(sampling_package) as session:
        ask = {"max_new_tokens": 12, "ignore_eos": True}
        assert session.sampling_defaults == {"temperature": 3.0, "top_k": 50}
        drawn = [session.generate([1, 2], seed=seed, **ask).token_ids for seed in (1, 1, 2)]
        assert drawn[0] == drawn[1] != drawn[2] and greedy not in drawn
        assert session.generate([1, 2], temperature=0, **ask).token_ids == greedy
        assert session.generate([1, 2], top_k=1, **ask).token_ids == greedy
