"""Generation: greedy text, ends, streams, prefix reuse."""

import threading

import numpy as np
import pytest
from fake_package import UNLUCKY, reference_greedy, reference_logits

from tyllm.runtime import Session
from tyllm.runtime.generation.log_probs import log_sum_exp
from tyllm_base.errors import GenerationError

PROMPT = [10, 20, 30]


@pytest.fixture
def session(toy):
    with Session(toy(dies=2), slots=2) as opened:
        yield opened


def generate(session, prompt=PROMPT, **options):
    return session.generate(prompt, **{"max_new_tokens": 20, "ignore_eos": True, **options})


@pytest.mark.parametrize("dies", [1, 2, 3, 4])
def test_greedy_text_is_the_same_on_any_number_of_dies(toy, dies):
    with Session(toy(dies=dies)) as session:
        result = generate(session)
        assert result.token_ids == reference_greedy(PROMPT, 20)
        assert result.text == session.tokenizer.decode(result.token_ids)
        assert result.finish_reason == "length"


def test_a_stream_gives_the_same_text_in_pieces(session):
    stream = generate(session, stream=True)
    pieces = list(stream)
    assert len(pieces) > 3
    assert "".join(pieces) == stream.result.text == generate(session).text
    assert stream.result.finish_reason == "length"


def test_a_text_prompt_is_tokenized(session):
    assert generate(session, "Hi").token_ids == generate(session, session.tokenizer.encode("Hi")).token_ids


def test_it_ends_at_an_eos_token_of_the_callers(session):
    expected = reference_greedy(PROMPT, 20)
    result = session.generate(PROMPT, max_new_tokens=20, eos_token_ids=[expected[6]])
    assert result.token_ids == expected[: expected.index(expected[6]) + 1]
    assert result.finish_reason == "stop"
    assert result.text == session.tokenizer.decode(result.token_ids[:-1])


def test_a_stop_string_ends_the_text_before_it(session):
    text = generate(session).text
    stop = text[4:7]
    for stream in (False, True):
        result = generate(session, stop=["never there", stop], stream=stream)
        shown = "".join(result) if stream else result.text
        assert shown == text[: text.index(stop)]
        assert (result.result if stream else result).finish_reason == "stop"


def test_it_ends_where_the_cache_does(session):
    result = generate(session, [1] * 60, max_new_tokens=50)
    assert result.finish_reason == "cache_full"
    assert result.token_ids == reference_greedy([1] * 60, 5)
    assert len(session.conversation()) == 64


def test_too_long_a_prompt_is_refused_before_the_first_piece(session):
    with pytest.raises(GenerationError, match="65 tokens are more than the 64 that the cache holds"):
        session.generate([1] * 65, stream=True)


def test_log_probabilities(session):
    result = generate(session, max_new_tokens=3, logprobs=2)
    logits = reference_logits(PROMPT)
    first = result.logprobs[0]
    assert [entry.token_id for entry in result.logprobs] == result.token_ids
    assert first.logprob == pytest.approx(float(logits.max()) - log_sum_exp(logits))
    assert [token for token, _ in first.top] == np.argsort(-logits, kind="stable")[:2].tolist()
    assert first.top[0][1] == pytest.approx(first.logprob)
    assert generate(session, logprobs=0).logprobs[0].top == ()
    assert generate(session).logprobs == []


def test_a_prompt_is_fed_in_steps_with_progress(session):
    prompt, reports = list(range(29)), []
    stream = generate(session, prompt, stream=True)
    assert len(session.conversation()) == 0
    stream.prefill(lambda *report: reports.append(report))
    assert reports == [(8, 29, "tokens"), (16, 29, "tokens"), (24, 29, "tokens")]
    assert session.conversation().tokens == prompt and stream.result.token_ids == []
    stream.prefill(lambda *report: reports.append(report))  # it is fed already
    assert len(reports) == 3
    assert stream.run_to_end().token_ids == reference_greedy(prompt, 20)
    assert stream.result.timings.prompt_tokens == 29


def test_an_interrupted_prefill_goes_on_where_it_stopped(session):
    def interrupt(done, total, unit):
        if done == 16:
            raise KeyboardInterrupt

    prompt, reports = list(range(29)), []
    stream = generate(session, prompt, stream=True)
    with pytest.raises(KeyboardInterrupt):
        stream.prefill(interrupt)
    assert session.conversation().tokens == prompt[:16]
    stream.prefill(lambda *report: reports.append(report))
    assert reports == [(8, 13, "tokens")]
    assert stream.run_to_end().token_ids == reference_greedy(prompt, 20)


def test_a_prefill_whose_slot_is_taken_ends_within_a_step(session):
    stream = generate(session, list(range(29)), stream=True)
    with pytest.raises(GenerationError, match="took this conversation over"):
        stream.prefill(lambda *report: session.logits([1]))
    assert session.conversation().tokens == [1]


def test_a_stream_has_one_reader_at_a_time(session):
    stream, told = generate(session, list(range(29)), stream=True), []

    def read_too(*report):
        for read in (stream.prefill, stream.run_to_end):
            with pytest.raises(GenerationError, match="read it from one thread at a time") as error:
                read()
            told.append(error)

    stream.prefill(read_too)
    assert len(told) == 6
    assert stream.run_to_end().token_ids == reference_greedy(list(range(29)), 20)


def test_two_threads_read_a_stream_whole_or_are_told(session):
    expected = generate(session, max_new_tokens=40).text
    for _ in range(5):
        stream, pieces, told = generate(session, max_new_tokens=40, stream=True), [], []

        def read(stream=stream, pieces=pieces, told=told):
            while True:
                try:
                    pieces.append(next(stream))
                except StopIteration:
                    return
                except GenerationError as error:
                    told.append(str(error))

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted("".join(pieces)) == sorted(expected) and stream.result.text == expected
        assert all("read it from one thread" in words for words in told)


def test_a_seed_repeats_a_sampled_text(session):
    texts = [generate(session, temperature=5.0, seed=seed).token_ids for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_a_penalty_looks_at_the_prompt_too(session):
    likeliest = int(reference_logits([5, 6]).argmax())
    prompt = [likeliest, 6]
    logits = reference_logits(prompt)
    logits[prompt] = np.where(logits[prompt] < 0, logits[prompt] * 4, logits[prompt] / 4)
    assert generate(session, prompt, repetition_penalty=4.0).token_ids[0] == int(logits.argmax())


def test_reuse_feeds_only_what_is_new_and_changes_nothing(session):
    first = generate(session)
    longer = [*PROMPT, *first.token_ids, 40, 41]
    again = generate(session, longer, reuse=True)
    assert again.token_ids == reference_greedy(longer, 20)
    assert again.timings.cached_tokens == len(PROMPT) + 19  # the last token was never fed
    assert again.timings.prompt_tokens == 3
    same = generate(session, longer, reuse=True)
    assert same.token_ids == again.token_ids
    assert same.timings.prompt_tokens == 1
    assert generate(session, [*PROMPT, 99], reuse=True).token_ids == reference_greedy([*PROMPT, 99], 20)


def test_streams_in_two_slots_do_not_meet(session):
    one, two = (generate(session, [slot, 5], slot=slot, stream=True) for slot in (0, 1))
    for _ in range(50):
        next(one, None)
        next(two, None)
    assert one.result.token_ids == reference_greedy([0, 5], 20)
    assert two.result.token_ids == reference_greedy([1, 5], 20)


def test_a_stream_whose_slot_was_taken_says_so(session):
    stream = generate(session, stream=True)
    next(stream)
    generate(session)
    with pytest.raises(GenerationError, match="took this conversation over"):
        list(stream)


def test_there_is_no_such_slot(session):
    with pytest.raises(GenerationError, match="There is no slot 2, this session has 0 to 1"):
        generate(session, slot=2)


def test_a_failed_step_ends_a_stream_with_its_error(session):
    from tyllm_base.errors import StepError

    with pytest.raises(StepError, match="unlucky"):
        generate(session, [1, UNLUCKY])


def test_timings_count_tokens(session):
    timings = generate(session).timings
    assert (timings.prompt_tokens, timings.new_tokens) == (3, 20)
    assert timings.prompt_tokens_per_second > 0
    assert timings.decode_tokens_per_second > 0


def test_without_a_tokenizer_there_are_tokens_but_no_text(toy_library, tmp_path):
    from fake_package import Fake

    fake = Fake(toy_library)
    folder = fake.write(tmp_path / "p")
    (folder / "tokenizer.json").unlink()
    fake.write_manifest(folder)
    with Session(folder) as session:
        result = session.generate(PROMPT, max_new_tokens=4, ignore_eos=True)
        assert (result.token_ids, result.text) == (reference_greedy(PROMPT, 4), "")
        with pytest.raises(GenerationError, match=r"no tokenizer\.json, so stop strings"):
            session.generate(PROMPT, stop="x")


def test_embeddings_as_prompt(toy):
    from fake_package import embedding_table

    with Session(toy(embedding_as_input=True)) as session:
        rows = embedding_table()[PROMPT].astype(np.float32)
        assert generate(session, rows).token_ids == reference_greedy(PROMPT, 20)


def test_a_stop_string_that_is_a_special_token_is_found(session):
    end = session.tokenizer.token_id("<|im_end|>")
    written = generate(session).token_ids
    options = {"logit_bias": {end: 100}, "min_tokens": 3, "eos_token_ids": [end], "ignore_eos": False}
    ended = generate(session, **options)
    assert ended.token_ids == [*written[:3], end] and ended.stop_reason is None
    after = {"logits_processors": [lambda generated, logits: logits + (len(generated) == 3) * 200 * one(end, logits)]}
    found = generate(session, stop="<|im_end|>", **after)
    assert (found.token_ids, found.text) == (ended.token_ids, ended.text)
    assert (found.finish_reason, found.stop_reason) == ("stop", "<|im_end|>")
    assert len(generate(session, **after).token_ids) == 20  # it was the stop string that ended it


def one(token, logits):
    """1 for a token, 0 for all others."""
    found = np.zeros_like(logits)
    found[token] = 1
    return found
