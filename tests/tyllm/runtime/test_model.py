"""A package opened to run: who plays its dies, and whose threads its parts have."""

from dataclasses import replace

import numpy as np
import pytest
from fake_package import reference_logits
from msgspec import structs

from tyllm.package import Visual, open_package
from tyllm.runtime import Session, model
from tyllm.runtime.execute import executor


@pytest.fixture
def ordered(toy, monkeypatch):
    """A package of two dies that are played by the physical dies 1 and 0, with a vision tower on die 2."""
    package = open_package(toy(dies=2))
    visual = Visual(1, (2,), (), 2, {}, None)
    manifest = structs.replace(package.manifest, die_order=(1, 0), visual=visual)
    monkeypatch.setattr(model, "open_package", lambda path: replace(package, manifest=manifest))
    return package.folder


@pytest.mark.parametrize("pin", [False, True])
def test_threads_are_bound_in_the_packages_order_of_dies(ordered, monkeypatch, pin):
    bound = []
    monkeypatch.setattr(executor, "_pin", lambda dies, workers, order: bound.append((len(dies), workers, [*order])))
    with Session(ordered, threads=6, pin=pin) as session:
        assert np.array_equal(session.logits([1, 2]), reference_logits([1, 2]))
    assert bound == ([(2, 3, [1, 0])] if pin else [])


@pytest.mark.parametrize("pin", [False, True])
def test_the_vision_tower_has_the_models_threads_and_binds_them_too(ordered, monkeypatch, pin):
    made = []

    class Tower(model.VisionTower):
        def __init__(self, package, visual, threads, *, pin):
            made.append((visual.die_order, threads, pin))

        def close(self):
            pass

    monkeypatch.setattr(model, "VisionTower", Tower)
    with Session(ordered, threads=6, pin=pin) as session:
        assert isinstance(session.vision_tower, Tower)
    assert made == [((2,), 6, pin)]
