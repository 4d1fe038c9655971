"""A package is opened for as many sequences as there are streams, and refused where they do not fit."""

import pytest
from baselines.serving.drivers import drive_tyllm


class Requests:
    """An engine that holds 256 tokens a sequence."""

    capacity = 256

    def __init__(self, model, threads, streams):
        self.given = model, threads, streams


def test_a_package_is_opened_for_the_streams(monkeypatch):
    monkeypatch.setattr(drive_tyllm, "AsyncRequests", Requests)
    assert drive_tyllm.opened("package", 2, 16, 256).given == ("package", 2, 16)
    with pytest.raises(RuntimeError, match="package holds 256 tokens, 257 are needed"):
        drive_tyllm.opened("package", 2, 16, 257)
