"""Every kept input of every fuzz target, without the fuzzer: the parser returns, or raises what it may."""

import pytest
from tests.fuzz.targets import TARGETS, seeds


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_is_taken(name):
    assert seeds(name)
    for path in seeds(name):
        TARGETS[name](path.read_bytes())


def test_another_exception_is_not_taken():
    with pytest.raises(AssertionError):
        from tests.fuzz.targets import Target

        Target(lambda _: (_ for _ in ()).throw(AssertionError))(b"")
