"""Engine cores over the toy package, whose memory is counted in tokens."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import fake_package
import numpy as np
import pytest
from fake_package import UNLUCKY, VOCAB

from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.model import Model
from tyllm.runtime.prompt.prompt import Prompt
from tyllm.runtime.scheduler import slot_pool
from tyllm.runtime.scheduler.draft_model import DraftModel
from tyllm.runtime.scheduler.engine_core import EngineCore
from tyllm.runtime.scheduler.engine_request import EngineRequest, RequestChecks
from tyllm.runtime.scheduler.scheduler import Scheduler
from tyllm.runtime.scheduler.slot_pool import SlotPool
from tyllm.runtime.scheduler.step_limits import StepLimits


class TokenMemory:
    """A token takes one byte."""

    @staticmethod
    def bytes_of(tokens):
        return tokens


def embed_now(prompt):
    done = Future()
    done.set_result(prompt.compute_embeddings())
    return done


@dataclass
class Served:
    """A core with all that it stands on, and what its requests were given."""

    core: EngineCore
    pool: SlotPool
    checks: RequestChecks
    model: Model
    draft: DraftModel | None = None

    def add(self, prompt, request_id, timeout=None, **options):
        """Begin a request."""
        options.setdefault("ignore_eos", True)
        prompt = prompt if isinstance(prompt, Prompt) else Prompt(prompt)
        request = EngineRequest(prompt, SamplingParams(**options), timeout, str(request_id))
        self.core.add(self.checks.sequences(request))

    def run(self, each_step=lambda number: None):
        """Step to the end; the last update of each sequence by request and index."""
        found, number = {}, 0
        while self.core.has_work:
            each_step(number)
            number += 1
            assert number < 100_000
            for update in self.core.step():
                if update.finished:
                    key = (update.request_id, update.index)
                    assert key not in found
                    found[key] = update
        return found


@pytest.fixture(autouse=True)
def small_growth(monkeypatch):
    """Slots grow by four tokens: toy caches are small."""
    monkeypatch.setattr(slot_pool, "GROWTH", 4)


@pytest.fixture
def serve(toy) -> Callable[..., Served]:
    """`serve(slots=8, running=4, budget=10_000, rows=0, draft=path, …)`: an engine of toy sequences."""
    models = []

    def opened(path, slots):
        models.append(Model(path, 2, slots, pin=False, signer=None))
        return models[-1]

    def start(
        slots=8, running=4, budget=10_000, rows=0, embed=embed_now, shares=True, drafts=0, draft=None, costs=None,
        draft_budget=10_000, **package,
    ):  # fmt: skip
        settings = {"dies": 2, "max_kv_cache_size": 64, "batch_sizes": (rows,) if rows else ()} | package
        model = opened(toy(**settings), slots)
        pool = SlotPool(model.engine, model.slots, TokenMemory(), budget)
        limits = StepLimits(model.runner.seq_lens, rows, None, VOCAB)
        drafter = None
        if draft is not None:
            second = opened(draft, slots)
            own = SlotPool(second.engine, second.slots, TokenMemory(), draft_budget)
            drafter = DraftModel(second.runner, own, VOCAB)
        core = EngineCore(model.runner, Scheduler(pool, limits, running, embed, drafter, costs))
        checks = RequestChecks(
            model.info,
            model.tokenizer,
            model.eos_token_ids,
            model.sampling_defaults,
            lambda n: pool.fits(n + limits.spare),
            shares=shares,
            drafts=drafts,
            looks_up=draft is None,
        )
        return Served(core, pool, checks, model, drafter)

    yield start
    for model in models:
        model.close()


@pytest.fixture
def other_toy(toy_library, tmp_path, monkeypatch) -> Callable[..., Path]:
    """`other_toy(…)`: a package of one die whose model agrees with the toy model now and then."""

    def write(**settings):
        with monkeypatch.context() as patch:
            noise = np.random.default_rng(3).uniform(0, 3, VOCAB).astype(np.float32)
            noise[UNLUCKY] = -100  # the toy model fails where it is fed
            patch.setattr(fake_package, "bias", lambda: noise)
            return fake_package.Fake(toy_library, **settings).write(tmp_path / "other")

    return write
