"""A panic of a library in Rust is told from an error, and both from Ctrl-C."""

import pytest
from tokenizers import Tokenizer, models

from tyllm_base.panics import is_failure, is_panic


def panic_of_tokenizers() -> BaseException:
    """A panic as the library raises it: of a prefix longer than the token after it."""
    bpe = models.BPE(vocab={"a": 0, "b": 1, "ab": 2}, merges=[])
    description = Tokenizer(bpe).to_str().replace('"merges":[]', '"merges":["a b"]')
    description = description.replace('"continuing_subword_prefix":null', '"continuing_subword_prefix":"####"')
    with pytest.raises(BaseException) as caught:
        Tokenizer.from_str(description)
    return caught.value


def test_a_panic_is_a_failure_and_no_exception():
    panic = panic_of_tokenizers()
    assert not isinstance(panic, Exception)
    assert is_panic(panic)
    assert is_failure(panic)


@pytest.mark.parametrize(
    ("error", "failure"), [(ValueError(), True), (KeyboardInterrupt(), False), (SystemExit(), False)]
)
def test_what_is_no_panic(error, failure):
    assert not is_panic(error)
    assert is_failure(error) is failure


def test_an_exception_of_the_same_name_is_none():
    assert not is_panic(type("PanicException", (Exception,), {})())
