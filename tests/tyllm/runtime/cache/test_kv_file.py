"""A saved cache is a plain .npz file with the rows in use only."""

import io

import numpy as np
import pytest
from tests.hostile_conversations import archive, arrays_of, bomb

from tyllm.runtime import Session
from tyllm_base.errors import GenerationError


@pytest.fixture
def conversation(toy):
    with Session(toy(dies=2)) as session:
        session.conversation().append([1, 2, 3])
        yield session.conversation()


def refusal(conversation, content):
    with pytest.raises(GenerationError) as caught:
        conversation.restore(content)
    return str(caught.value)


def test_only_the_rows_in_use_are_saved(toy):
    with Session(toy(dies=2)) as session:
        session.conversation().append([1, 2, 3])
        with np.load(io.BytesIO(session.conversation().save()), allow_pickle=False) as file:
            assert file["tokens"].tolist() == [1, 2, 3]
            assert {name: file[name].shape for name in file if name.startswith("die")} == {
                f"die{die}.layer0.{part}": (1, 3, 1) for die in range(2) for part in "kv"
            }


def test_an_empty_conversation_can_be_saved(toy):
    with Session(toy(dies=1)) as session:
        saved = session.conversation().save()
        session.conversation().append([1])
        session.conversation().restore(saved)
        assert len(session.conversation()) == 0


@pytest.mark.parametrize("name", ["package", "sha256", "tokens", "digests", "seen", "die1.layer0.v"])
def test_what_is_missing_is_named(conversation, name):
    arrays = arrays_of(conversation.save())
    del arrays[name]
    refused = refusal(conversation, archive(arrays))
    assert refused == f"The saved conversation is damaged ({name} is missing); save it again."


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("tokens", lambda a: a.astype(float) + 0.5, r"tokens is float64 [3] and should be int64 [None]"),
        ("tokens", lambda a: a[:, None], r"tokens is int64 [3, 1]"),
        ("tokens", lambda a: a.astype(str), "tokens is <U21"),
        ("tokens", lambda a: a.astype(">i8"), "tokens is >i8"),
        ("tokens", lambda a: a + 10**12, "a token is outside 0 to 259"),
        ("tokens", lambda a: a - 2, "a token is outside 0 to 259"),
        ("tokens", lambda a: np.zeros(65, np.int64), "65 tokens, of 64 at most"),
        ("tokens", lambda a: a[:2], "seen is int32 [3, 2] and should be int32 [2, 2]"),
        ("seen", lambda a: a + 7, "a token stands for an image that is none of its 0"),
        ("digests", lambda a: np.asarray(["ab"]), "one for which no token stands"),
        ("die0.layer0.k", lambda a: np.full_like(a, np.nan), "die0.layer0.k has a value that is no number"),
        ("die1.layer0.v", lambda a: np.full_like(a, np.inf), "die1.layer0.v has a value that is no number"),
        ("die0.layer0.k", lambda a: a.astype(np.float32), "die0.layer0.k is float32"),
        ("die0.layer0.k", lambda a: a[:, :2], "die0.layer0.k is float16 [1, 2, 1]"),
    ],
)
def test_a_forged_array_is_named_though_its_hash_is_right(conversation, name, changed, words):
    before = conversation.save()
    arrays = arrays_of(before)
    arrays[name] = changed(arrays[name])
    assert words in refusal(conversation, archive(arrays))
    assert conversation.save() == before


def test_damage_that_no_check_of_values_finds_is_found_by_its_hash(conversation):
    arrays = arrays_of(conversation.save())
    arrays["tokens"] = arrays["tokens"][::-1].copy()
    assert "does not have the SHA-256" in refusal(conversation, archive(arrays, signed=False))
    conversation.restore(archive(arrays))
    assert conversation.tokens == [3, 2, 1]


def test_no_memory_is_taken_for_what_is_claimed(conversation):
    saved = conversation.save()
    for name, shape in (("tokens", (2**40,)), ("die0.layer0.k", (1, 2**50, 1)), ("digests", (2**60,))):
        assert "damaged" in refusal(conversation, bomb(saved, name, shape))
    assert "is compressed" in refusal(conversation, archive(arrays_of(saved), compressed=True))
    assert "are no conversation of this package, which has at most" in refusal(conversation, saved + bytes(10**6))


def test_only_bytes_are_taken(conversation):
    saved = conversation.save()
    assert "bytes, not str; give what save() returned" in refusal(conversation, "conversation.npz")
    assert "bytes, not NoneType" in refusal(conversation, None)
    for same in (bytearray(saved), memoryview(saved)):
        conversation.restore(same)


def test_the_fullest_conversation_is_within_the_limit(conversation):
    conversation.append([4] * 61)
    saved = conversation.save()
    assert len(saved) <= conversation.slot.max_saved_bytes
    conversation.restore(saved)
    assert len(conversation) == 64
