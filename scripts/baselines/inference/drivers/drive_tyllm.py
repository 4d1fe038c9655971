"""Measures TyLLM through its Python interface."""

from collections.abc import Callable
from pathlib import Path

from baselines.inference.drivers import measurement

from tyllm.runtime import Session


class TyLLM:
    """A session with one conversation."""

    def __init__(self, model: Path, threads: int, capacity: int) -> None:
        self.conversation = Session(model, threads=threads).conversation()
        if capacity > self.conversation.limit:
            raise RuntimeError(f"{model} holds {self.conversation.limit} tokens, {capacity} are needed")

    def generate(self, tokens: list[int], new: int, heard: Callable[[], None]) -> None:
        """As in `measurement.Engine`."""
        self.conversation.reset()
        logits = self.conversation.append(tokens)
        for count in range(new):
            token = int(logits.argmax())
            heard()
            if count + 1 < new:
                logits = self.conversation.append([token])


if __name__ == "__main__":
    measurement.main(TyLLM)
