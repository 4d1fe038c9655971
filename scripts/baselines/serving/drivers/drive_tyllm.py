"""Measures TyLLM's AsyncLLM, cached prefixes off."""

from pathlib import Path

from baselines.serving.loads import measurement
from baselines.serving.parts.async_requests import AsyncRequests


def opened(model: Path, threads: int, streams: int, capacity: int) -> AsyncRequests:
    """The package with room for as many sequences as there are streams; raises `RuntimeError` where it is too small."""
    engine = AsyncRequests(model, threads, streams)
    if capacity > engine.capacity:
        raise RuntimeError(f"{model} holds {engine.capacity} tokens, {capacity} are needed")
    return engine


if __name__ == "__main__":
    measurement.main(opened)
