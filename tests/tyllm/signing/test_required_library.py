"""Without the library there is a sentence with the pip command, before anything is looked at."""

import pytest

from tyllm.signing import Signer, required_library, sign_package
from tyllm.signing.required_library import require_library
from tyllm_base.errors import MissingExtraError


@pytest.fixture
def without_library(monkeypatch):
    monkeypatch.setattr(required_library, "find_spec", lambda name: None if name == "OpenSSL" else object())


def test_what_is_missing_is_named_with_the_cure(without_library):
    with pytest.raises(MissingExtraError, match=r'^Signing needs OpenSSL: run `pip install "tyllm\[sign\]"`\.$'):
        require_library("Signing")


def test_both_doors_ask_first(without_library, tmp_path):
    with pytest.raises(MissingExtraError, match=r"^Signing needs"):
        sign_package(tmp_path / "nowhere", "no-key.pem")
    with pytest.raises(MissingExtraError, match=r"^Checking a signature needs"):
        Signer("no-key.pem").check(tmp_path, {}, "")


def test_it_is_there():
    require_library("Signing")
