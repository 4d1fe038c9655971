"""A conversation: feeding, rewinding, saving, measuring."""

import os
from pathlib import Path

import numpy as np
import pytest
from fake_package import HIDDEN, VOCAB, embedding_table, reference_logits
from tests.hostile_conversations import check_restore, hostile

from tyllm.package.step_shape import StepShape
from tyllm.runtime import Session
from tyllm.runtime.generation.log_probs import log_sum_exp
from tyllm.runtime.prompt.prompt import UNKNOWN
from tyllm_base.errors import GenerationError, OutputError, SettingError

TEXT = [int(token) for token in np.random.default_rng(3).integers(0, 256, 50)]


@pytest.fixture(params=[1, 2, 3, 4])
def session(request, toy):
    with Session(toy(dies=request.param), slots=2) as opened:
        yield opened


def test_chunks_of_any_size_give_what_single_tokens_give(session):
    conversation = session.conversation()
    start = 0
    for count in (1, 7, 8, 9, 3, 13, 9):
        logits = conversation.append(TEXT[start : start + count])
        start += count
        assert np.array_equal(logits, reference_logits(TEXT[:start]))
    session.conversation(1).reset()
    for end in range(1, 20):
        assert np.array_equal(session.conversation(1).append(TEXT[end - 1 : end]), reference_logits(TEXT[:end]))


def test_rewind_forgets_the_rest(session):
    conversation = session.conversation()
    conversation.append(TEXT[:30])
    conversation.rewind(11)
    assert len(conversation) == 11
    assert np.array_equal(conversation.append([9]), reference_logits([*TEXT[:11], 9]))
    with pytest.raises(GenerationError, match="Cannot rewind to 13 tokens: the conversation has 12"):
        conversation.rewind(13)


def test_a_saved_conversation_goes_on_in_another_slot_and_session(session, toy):
    session.conversation(0).append(TEXT[:21])
    saved = session.conversation(0).save()
    session.conversation(1).append(TEXT[:5])
    session.conversation(1).restore(saved)
    assert session.conversation(1).tokens == TEXT[:21]
    with Session(toy(dies=session.info.dies)) as other:
        other.conversation().restore(saved)
        assert np.array_equal(other.conversation().append([7]), reference_logits([*TEXT[:21], 7]))


def test_padding_is_zero_whatever_was_there_before(toy):
    with Session(toy(dies=2)) as session:
        session.logits(TEXT[:8])
        session.logits(TEXT[8:13])
        for io in session._engine.io_views(StepShape(1, 8)):
            assert io["tokens"].tolist() == [[*TEXT[8:13], 0, 0, 0]]
            assert io["positions"].tolist() == [list(range(8))]


def test_what_cannot_be_restored(toy):
    with Session(toy(dies=1)) as one, Session(toy(dies=2)) as two:
        one.conversation().append([1, 2, 3])
        two.conversation().append([4, 5])
        saved = one.conversation().save()
        with pytest.raises(GenerationError, match="belongs to another package"):
            two.conversation().restore(saved)
        for damaged in (b"", b"x" * 100, saved[:-30], saved[:200] + b"!!" + saved[202:]):
            with pytest.raises(GenerationError, match=r"is damaged|another package"):
                one.conversation().restore(damaged)
        assert np.array_equal(one.conversation().append([9]), reference_logits([1, 2, 3, 9]))


def test_a_changed_conversation_is_restored_right_or_refused_and_changes_nothing(toy, count=60):
    """`make test-faults` changes 3,000."""
    with Session(toy(dies=2)) as session:
        conversation = session.conversation()
        conversation.append(TEXT[:21])
        saved = conversation.save()
        conversation.reset()
        conversation.append(TEXT[30:43])
        before = conversation.save()
        accepted = [check_restore(conversation, before, changed) for changed in hostile(saved, count, seed=5)]
        assert np.array_equal(conversation.append([9]), reference_logits([*TEXT[30:43], 9]))
    assert 0 < sum(accepted) < count / 3


def test_it_goes_through_a_file_which_appears_whole(toy, tmp_path, monkeypatch):
    path = tmp_path / "saved.npz"
    with Session(toy(dies=2)) as session:
        conversation = session.conversation()
        conversation.append(TEXT[:5])
        conversation.save_to(path)
        conversation.append(TEXT[5:9])
        monkeypatch.setattr(type(conversation), "save", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            conversation.save_to(path)
        assert [file.name for file in tmp_path.iterdir()] == ["saved.npz"]
        conversation.restore_from(str(path))
        assert np.array_equal(conversation.append([9]), reference_logits([*TEXT[:5], 9]))


def test_what_is_no_file_is_not_restored(toy, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with Session(toy(dies=1)) as session:
        conversation = session.conversation()
        for path, words in (
            (tmp_path / "none", "none is missing; give what save_to wrote"),
            (tmp_path / "pipe", "is a named pipe and not a file"),
            (Path("/dev/zero"), "is a device and not a file"),
            (Path(__file__), "longer than the|is no .npz file"),
            (5, "5 is no path"),
        ):
            with pytest.raises(GenerationError, match=words):
                conversation.restore_from(path)
        with pytest.raises(OutputError, match="Cannot write"):
            conversation.save_to(tmp_path / "none" / "saved")


def test_log_probs_are_those_of_the_logits(session):
    measured = session.score(TEXT[:20])
    expected = [reference_logits(TEXT[:i])[TEXT[i]] - log_sum_exp(reference_logits(TEXT[:i])) for i in range(1, 20)]
    assert measured.shape == (19,)
    assert np.allclose(measured, expected, atol=1e-5)
    assert session.conversation().tokens == TEXT[:19]
    assert np.array_equal(session.conversation().append(TEXT[19:20]), reference_logits(TEXT[:20]))


def test_the_cache_can_be_filled_to_its_last_row(toy):
    tokens = (TEXT * 2)[:64]
    with Session(toy(dies=2)) as session:
        assert np.array_equal(session.logits(tokens), reference_logits(tokens))


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ([], "The prompt has no tokens"),
        ([1, VOCAB], f"Token {VOCAB} is outside the vocabulary, give ids from 0 to {VOCAB - 1}"),
        ([-1], "Token -1 is outside the vocabulary"),
        ([1] * 65, "65 tokens are more than the 64 that the cache holds"),
    ],
)
def test_bad_tokens(toy, tokens, words):
    with Session(toy(dies=1)) as session, pytest.raises(GenerationError, match=words) as caught:
        session.logits(tokens)
    assert caught.value.exit_code == 8


def test_too_much_after_what_is_there(toy):
    with Session(toy(dies=1)) as session:
        session.conversation().append([1] * 60)
        with pytest.raises(GenerationError, match="5 tokens after 60 in the cache are more than the 64"):
            session.conversation().append([1] * 5)


def test_embeddings_as_input(toy):
    with Session(toy(dies=2, embedding_as_input=True)) as session:
        expected = reference_logits(TEXT[:13])
        assert np.array_equal(session.logits(TEXT[:13]), expected)
        assert np.array_equal(session.logits(embedding_table()[TEXT[:13]].astype(np.float32)), expected)
        assert session.conversation().tokens == [UNKNOWN] * 13
        assert np.array_equal(session.conversation().append([5]), reference_logits([*TEXT[:13], 5]))
        with pytest.raises(GenerationError, match=rf"shape \[3, 2\] do not fit, give \[n, {HIDDEN}\]"):
            session.logits(np.zeros((3, 2), np.float32))


def test_embeddings_for_a_package_of_tokens(toy):
    with Session(toy(dies=1)) as session, pytest.raises(SettingError, match="takes token ids"):
        session.logits(np.zeros((3, HIDDEN), np.float32))


def test_every_logits_are_those_after_each_token(session):
    chunks = list(session.conversation().every_logits(TEXT[:21]))
    assert sum(len(chunk) for chunk in chunks) == 21 and len(chunks) < 21
    for end, logits in enumerate(np.concatenate(chunks), start=1):
        assert np.array_equal(logits, reference_logits(TEXT[:end]))
    assert session.conversation().tokens == TEXT[:21]
    after = np.concatenate(list(session.conversation().every_logits(TEXT[21:30])))
    assert np.array_equal(after[-1], reference_logits(TEXT[:30]))
    assert session.conversation().tokens == TEXT[:30]


def test_a_step_between_two_chunks_of_every_logits_does_no_harm(session):
    wanted = session.conversation().every_logits(TEXT[:21])
    first = next(wanted)
    session.conversation(1).append(TEXT[30:43])
    rest = list(wanted)
    assert np.array_equal(np.concatenate([first, *rest])[-1], reference_logits(TEXT[:21]))


def test_every_logits_of_more_than_the_cache_holds(session):
    with pytest.raises(GenerationError, match="65 tokens are more than the 64 that the cache holds"):
        next(session.conversation().every_logits([1] * 65))
