"""`LLM`: many prompts of every kind at once, each given what `Session` gives it."""

import random
import threading

import numpy as np
import pytest
from fake_package import UNLUCKY, VOCAB, embedding_table, reference_greedy, reference_logits

from tyllm.runtime import LLM, Session
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm_base.errors import GenerationError, SettingError, StepError

SHORT = SamplingParams(max_new_tokens=6, ignore_eos=True)


@pytest.fixture
def llm(toy):
    with LLM(toy(dies=2, max_kv_cache_size=512), 2, max_num_seqs=3) as opened:
        yield opened


def test_prompts_of_every_kind_in_their_order(llm):
    prompts = ["Hello", [1, 2, 3], {"prompt": "Hi"}, {"prompt_token_ids": [4, 5]}, np.arange(3)]
    outputs = llm.generate(prompts, SHORT, progress=False)
    tokens = [list(b"Hello"), [1, 2, 3], list(b"Hi"), [4, 5], [0, 1, 2]]
    tokens[0], tokens[2] = llm.tokenizer.encode("Hello"), llm.tokenizer.encode("Hi")
    assert [output.prompt_token_ids for output in outputs] == tokens
    assert [output.prompt for output in outputs] == ["Hello", None, "Hi", None, None]
    assert [output.outputs[0].token_ids for output in outputs] == [reference_greedy(each, 6) for each in tokens]
    assert all(output.finished and output.outputs[0].finish_reason == "length" for output in outputs)
    assert llm.generate([]) == []


def given_alone(session, prompt, options):
    """The result of a session; None where it happens to pick the unlucky token."""
    try:
        return session.generate(prompt, **options)
    except StepError:
        return None


@pytest.mark.filterwarnings("ignore:.*requests ended with an error")
def test_it_gives_what_a_session_gives(toy):
    rng = random.Random(4)
    prompts = [[rng.randrange(256) for _ in range(rng.randrange(1, 40))] for _ in range(40)]
    options = [
        {"max_new_tokens": rng.randrange(1, 20), "temperature": rng.choice([0.0, 0.7, 1.5]), "seed": rng.randrange(99),
         "logprobs": rng.choice([None, 2]), "stop": rng.choice([(), ("a", "xy")]), "repetition_penalty": 1.1}
        for _ in prompts
    ]  # fmt: skip
    path = toy(dies=2)
    with Session(path, 2) as session:
        alone = [given_alone(session, prompt, option) for prompt, option in zip(prompts, options, strict=True)]
    with LLM(path, 2, max_num_seqs=5) as llm:
        together = llm.generate(prompts, [SamplingParams(**option) for option in options], progress=False)
    for one, output in zip(alone, together, strict=True):
        (other,) = output.outputs
        if one is None:
            assert isinstance(output.error, StepError)
            continue
        assert (other.token_ids, other.text, other.finish_reason) == (one.token_ids, one.text, one.finish_reason)
        assert other.logprobs == one.logprobs


def test_conversations(llm):
    hello = [{"role": "user", "content": "Hello"}]
    one = llm.chat(hello, SHORT, progress=False)[0].outputs[0]
    more = [*hello, {"role": "assistant", "content": one.text}, {"role": "user", "content": "and?"}]
    outputs = llm.chat([hello, more], SHORT, progress=False)
    assert outputs[0].outputs[0].token_ids == one.token_ids and outputs[0].cached_tokens > 10
    with pytest.raises(GenerationError, match="no messages"):
        llm.chat([[]], SHORT, progress=False)


def test_embeddings(toy):
    tokens = [3, 4, 5]
    rows = embedding_table()[tokens].astype(np.float32)
    with LLM(toy(dies=2, embedding_as_input=True), 2) as llm:
        outputs = llm.generate([rows, tokens], SHORT, progress=False)
        assert [output.outputs[0].token_ids for output in outputs] == [reference_greedy(tokens, 6)] * 2
        assert llm.generate(rows, SHORT, progress=False)[0].cached_tokens == 0


def test_one_that_goes_wrong_ends_alone_and_a_warning_says_so(llm):
    prompts = [[1], [UNLUCKY], [2] * 600, [VOCAB], "Hi", "\ud800"]
    with pytest.warns(RuntimeWarning, match="4 of 6 requests ended with an error.*The first: .*unlucky"):
        outputs = llm.generate(prompts, SHORT, progress=False)
    assert [type(output.error) for output in outputs] == [
        type(None), StepError, GenerationError, GenerationError, type(None), GenerationError,
    ]  # fmt: skip
    assert [output.outputs[0].finish_reason == "error" for output in outputs] == [False, True, True, True, False, True]
    with pytest.raises(StepError, match="unlucky"):
        llm.generate([UNLUCKY], SHORT, progress=False)
    with pytest.raises(GenerationError, match="600 tokens are more than the 512"):
        llm.generate([[2] * 600, [UNLUCKY]], SHORT, progress=False)


def test_a_timeout_gives_what_there_is(llm):
    (output,) = llm.generate([1], SamplingParams(max_new_tokens=500, ignore_eos=True), timeout=0.02, progress=False)
    result = output.outputs[0]
    assert result.finish_reason == "timeout"
    assert result.token_ids == reference_greedy([1], len(result.token_ids))


def test_threads_share_it(llm):
    found = {}

    def run(number):
        found[number] = llm.generate([[number]] * 3, SHORT, progress=False)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(6):
        assert [output.outputs[0].token_ids for output in found[number]] == [reference_greedy([number], 6)] * 3


def test_progress_is_told(llm, capsys, monkeypatch):
    told = []
    llm.generate([[1]] * 4, SHORT, progress=lambda *report: told.append(report))
    assert told[-1] == (4, 4, "prompts") and [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    monkeypatch.setattr("tyllm.progress_bar.LINE_EVERY_S", 0)
    llm.generate([[1]], SHORT)
    assert "generate: 1/1 prompts" in capsys.readouterr().err


def test_the_package_and_the_end(toy):
    llm = LLM(toy(dies=2), 2, enable_prefix_caching=False)
    assert llm.info.dies == 2
    assert [output.cached_tokens for output in llm.generate([[1] * 9] * 2, SHORT, progress=False)] == [0, 0]
    llm.close()
    llm.close()
    with pytest.raises(GenerationError, match="closed"):
        llm.generate([1], progress=False)


@pytest.mark.parametrize("setting", [{"max_num_seqs": 0}, {"kv_cache_memory": "much"}, {"max_batched_tokens": -1}])
def test_settings_that_cannot_work(toy, setting):
    with pytest.raises(SettingError, match=next(iter(setting))):
        LLM(toy(dies=2), 2, **setting)


SAMPLED = {"max_new_tokens": 12, "ignore_eos": True, "temperature": 1.0, "top_k": 4, "seed": 5}


def test_several_texts_of_a_prompt_share_it_and_have_seeds_of_their_own(toy, llm):
    prompt = list(range(30))
    (output,) = llm.generate([prompt], SamplingParams(n=4, **SAMPLED), progress=False)
    assert [result.index for result in output.outputs] == [0, 1, 2, 3]
    assert [result.timings.cached_tokens for result in output.outputs] == [0, 29, 29, 29]
    with Session(toy(dies=2, max_kv_cache_size=512), 2) as session:
        alone = [session.generate(prompt, **SAMPLED | {"seed": 5 + index}).token_ids for index in range(4)]
    assert [result.token_ids for result in output.outputs] == alone
    assert len(set(map(tuple, alone))) == 4


def test_texts_share_their_prompt_where_requests_share_nothing(toy):
    with LLM(toy(dies=2), 2, enable_prefix_caching=False) as llm:
        outputs = llm.generate([list(range(30))] * 2, SamplingParams(n=2, **SAMPLED), progress=False)
    assert [[each.timings.cached_tokens for each in output.outputs] for output in outputs] == [[0, 29], [0, 29]]


def test_the_best_of_several(llm):
    prompt = list(range(9))
    every = llm.generate([prompt], SamplingParams(n=6, logprobs=0, **SAMPLED), progress=False)[0].outputs
    best = llm.generate([prompt], SamplingParams(n=2, best_of=6, **SAMPLED), progress=False)[0].outputs
    ranked = sorted(every, key=lambda result: -sum(each.logprob for each in result.logprobs))
    assert [result.token_ids for result in best] == [result.token_ids for result in ranked[:2]]
    assert [(result.index, result.logprobs) for result in best] == [(0, []), (1, [])]


@pytest.mark.parametrize("cached", [False, True])
def test_the_prompts_own_log_probabilities(llm, cached):
    prompt = [7] * 3 + list(range(40))
    if cached:
        llm.generate([prompt], SHORT, progress=False)
    params = SamplingParams(prompt_logprobs=2, n=2, **SAMPLED)
    (output,) = llm.generate([prompt], params, progress=False)
    logits = [reference_logits(prompt[: end + 1]).astype(np.float64) for end in range(len(prompt) - 1)]
    expected = [row[token] - np.log(np.exp(row).sum()) for row, token in zip(logits, prompt[1:], strict=True)]
    assert [each.token_id for each in output.prompt_logprobs] == prompt[1:]
    assert np.allclose([each.logprob for each in output.prompt_logprobs], expected, atol=1e-5)
    assert [each.top[0][0] for each in output.prompt_logprobs] == [int(row.argmax()) for row in logits]
    assert output.outputs[0].timings.cached_tokens == 0


def test_a_processor_that_raises_ends_its_request_alone(llm):
    class Theirs(Exception):  # noqa: N818  # the caller's own
        pass

    def raise_it(tokens, logits):
        if len(tokens) == 3:
            raise Theirs
        return logits

    bad = SamplingParams(max_new_tokens=6, ignore_eos=True, logits_processors=[raise_it])
    with pytest.warns(RuntimeWarning, match="1 of 2"):
        first, second = llm.generate([[1], [2]], [bad, SHORT], progress=False)
    assert isinstance(first.error, Theirs) and first.outputs[0].token_ids == reference_greedy([1], 3)
    assert second.outputs[0].token_ids == reference_greedy([2], 6)


def test_logits_that_are_no_numbers_end_their_request_alone(llm, monkeypatch):
    runner = llm._engine.model.runner
    step = runner.step

    def spoiled(batch):
        found = step(batch)
        for chunk, logits in zip(batch, found, strict=True):
            if chunk.slot.prefix.tokens[0] == 9:
                logits[:] = np.inf
        return found

    monkeypatch.setattr(runner, "step", spoiled)
    with pytest.warns(RuntimeWarning, match="1 of 3"):
        outputs = llm.generate([[1], [9], [2]], SHORT, progress=False)
    assert isinstance(outputs[1].error, StepError)
    assert [outputs[n].outputs[0].token_ids for n in (0, 2)] == [reference_greedy([1], 6), reference_greedy([2], 6)]


@pytest.mark.parametrize("progress", [1, "bar", 0.5])
def test_a_progress_that_cannot_be_called_is_refused(llm, progress):
    with pytest.raises(GenerationError, match="progress is"):
        llm.generate([[1]], SHORT, progress=progress)


def test_variables_of_templates_may_have_any_name(llm):
    hello = [{"role": "user", "content": "Hello"}]
    first, second = (llm.chat(hello, SHORT, template_options=each, progress=False) for each in ({}, {"self": 1}))
    assert first[0].outputs[0].token_ids == second[0].outputs[0].token_ids
