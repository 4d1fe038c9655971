"""A second package that drafts: what is refused, its memory, and that nothing is left behind."""

import asyncio
import json
import threading

import fake_package
import pytest
from fake_package import Fake, reference_greedy

from tyllm.runtime import LLM, AsyncLLM
from tyllm.runtime.draft_package import draft_share
from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.model import Model
from tyllm.runtime.scheduler.draft_costs import DraftCosts
from tyllm_base.errors import PackageError, SettingError

GREEDY = SamplingParams(temperature=0, max_new_tokens=20, ignore_eos=True)


@pytest.fixture(autouse=True)
def whatever_it_costs(monkeypatch):
    """A toy model takes no less time than the one that it drafts for."""
    monkeypatch.setattr(DraftCosts, "is_due", lambda self, sequences: False)
    monkeypatch.setattr(DraftCosts, "note", lambda self, drafted, seconds: [0.0] * len(drafted))


@pytest.fixture
def target(toy):
    return toy(dies=2, batch_sizes=(8,))


def test_one_package_drafts_for_another(target, toy):
    with LLM(target, 2, draft_model=toy(), num_draft_tokens=4) as llm:
        outputs = llm.generate([[1, 2], [3]], GREEDY, progress=False)
    assert [output.outputs[0].token_ids for output in outputs] == [
        reference_greedy([1, 2], 20),
        reference_greedy([3], 20),
    ]
    timings = [output.outputs[0].timings for output in outputs]
    assert all(each.drafted_tokens == each.accepted_tokens >= 8 for each in timings)


def test_from_asyncio_too(target, toy):
    async def ask():
        async with AsyncLLM(target, 2, draft_model=toy()) as llm:
            return [output async for output in llm.generate([1, 2], GREEDY)][-1]

    result = asyncio.run(ask()).outputs[0]
    assert result.token_ids == reference_greedy([1, 2], 20)
    assert result.timings.drafted_tokens == result.timings.accepted_tokens > 10


def with_tokenizer(folder, toy_library, change):
    """A package whose tokenizer.json is changed, or gone where `change` gives None."""
    fake = Fake(toy_library)
    path = fake.write(folder) / "tokenizer.json"
    changed = change(json.loads(path.read_text()))
    path.unlink()
    if changed is not None:
        path.write_text(json.dumps(changed))
    fake.write_manifest(folder)
    return folder


def swap(tokenizer):
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    return tokenizer


def shorten(tokenizer):
    del tokenizer["added_tokens"][-1]
    return tokenizer


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (swap, "the token 'a' has the ids 65 and 64"),
        (shorten, "its tokenizer has 259 tokens, and not 260"),
        (lambda tokenizer: None, "only the second has a tokenizer.json"),
    ],
)
def test_another_vocabulary_is_refused_and_nothing_is_left(
    target, toy_library, tmp_path, descriptors, change, sentence
):
    draft = with_tokenizer(tmp_path / "draft", toy_library, change)
    before = descriptors(), threading.active_count()
    with pytest.raises(SettingError, match=f"draft cannot draft for .*: {sentence}. Give a draft_model of the same"):
        LLM(target, 2, draft_model=draft)
    assert (descriptors(), threading.active_count()) == before


def bare(fake, folder):
    """A package without a tokenizer."""
    (fake.write(folder) / "tokenizer.json").unlink()
    fake.write_manifest(folder)
    return folder


def test_packages_without_tokenizers_are_compared_by_their_sizes(toy_library, tmp_path, monkeypatch):
    target, draft = bare(Fake(toy_library, batch_sizes=(8,)), tmp_path / "bare"), tmp_path / "draft"
    with LLM(target, 2, draft_model=target) as llm:
        assert llm.generate([1], GREEDY, progress=False)[0].outputs[0].timings.accepted_tokens > 10
    monkeypatch.setattr(fake_package, "VOCAB", 300)
    with pytest.raises(SettingError, match="they have 300 and 260 tokens"):
        LLM(target, 2, draft_model=bare(Fake(toy_library), draft))


@pytest.mark.parametrize("padded", ["draft", "target"])
def test_logits_may_be_padded_to_another_width(toy_library, toy, tmp_path, monkeypatch, padded):
    """Where only the tokens are the same; those that one of them lacks are neither drafted nor fed to it."""
    settings = {} if padded == "draft" else {"batch_sizes": (8,)}
    with monkeypatch.context() as patch:
        patch.setattr(fake_package, "VOCAB", 300)
        wide = Fake(toy_library, **settings).write(tmp_path / "wide")
        expected = [reference_greedy([n], 20) for n in range(8)] if padded == "target" else None
    target, draft = (toy(batch_sizes=(8,)), wide) if padded == "draft" else (wide, toy())
    with LLM(target, 2, draft_model=draft) as llm:
        outputs = [output.outputs[0] for output in llm.generate([[n] for n in range(8)], GREEDY, progress=False)]
    assert [each.token_ids for each in outputs] == (expected or [reference_greedy([n], 20) for n in range(8)])
    assert any(token >= 260 for each in outputs for token in each.token_ids) == (padded == "target")
    assert sum(each.timings.accepted_tokens for each in outputs) > 5


def test_a_model_that_sees_is_refused(target, toy):
    with pytest.raises(SettingError, match="sees images, and the draft_model only reads tokens; give one of a text"):
        LLM(target, 2, draft_model=toy(sees=True, embedding_as_input=True))


@pytest.mark.parametrize("option", ["draft_model", "prompt_lookup_num_tokens"])
def test_a_package_without_batches_verifies_nothing(toy, option):
    given = {option: toy() if option == "draft_model" else 3}
    with pytest.raises(SettingError, match=rf"has no program for batches.*--batch-sizes 8, or leave {option} out"):
        LLM(toy(), 2, **given)


def test_no_package_at_all(target, tmp_path):
    with pytest.raises(PackageError, match="is no package"):
        LLM(target, 2, draft_model=tmp_path)


def test_both_ways_to_draft_at_once_are_refused(target, toy):
    with pytest.raises(SettingError, match="prompt_lookup_num_tokens=3 are both given"):
        LLM(target, 2, draft_model=toy(), prompt_lookup_num_tokens=3)


def test_the_signer_must_have_signed_both(target, toy, monkeypatch):
    asked = []
    monkeypatch.setattr(Model, "_demand", lambda self, signer: asked.append(self.package.folder))
    monkeypatch.setattr("tyllm.runtime.model.Signer.of", lambda signer: signer)
    LLM(target, 2, draft_model=toy(), signer="somebody").close()
    assert asked == [target, toy()]


def test_both_share_the_memory(target, toy):
    models = [Model(path, 1, 1, pin=False, signer=None) for path in (toy(), target)]
    share = draft_share(*models, 1_000_000)
    for model in models:
        model.close()
    assert 200_000 < share < 500_000  # one die's rows beside those of two
    with LLM(target, 2, draft_model=toy(), kv_cache_memory=1_000_000) as llm:
        assert llm._engine.pool.budget == 1_000_000 - share


def test_memory_that_holds_no_conversation_of_both(target, toy, descriptors):
    before = descriptors(), threading.active_count()
    with pytest.raises(SettingError, match="10 bytes hold no conversation; give a kv_cache_memory of"):
        LLM(target, 2, draft_model=toy(), kv_cache_memory=10)
    assert (descriptors(), threading.active_count()) == before
