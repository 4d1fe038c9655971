"""Measures OpenVINO GenAI, as its pipeline comes by default."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
import openvino_genai
from baselines.inference.drivers import measurement


class Listener(openvino_genai.StreamerBase):
    """Is told of each token."""

    def __init__(self, heard: Callable[[], None]) -> None:
        super().__init__()
        self.heard = heard

    def write(self, token: int | list[int]) -> openvino_genai.StreamingStatus:
        """One token, or several at once."""
        for _ in token if isinstance(token, list) else [token]:
            self.heard()
        return openvino_genai.StreamingStatus.RUNNING

    def end(self) -> None:
        """Nothing is kept back."""


class OpenVino:
    """A pipeline on the CPU."""

    def __init__(self, model: Path, threads: int, capacity: int) -> None:
        self.pipeline = openvino_genai.LLMPipeline(model, "CPU", INFERENCE_NUM_THREADS=threads)

    def generate(self, tokens: list[int], new: int, heard: Callable[[], None]) -> None:
        """As in `measurement.Engine`."""
        ids = np.array([tokens], np.int64)
        inputs = openvino_genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(np.ones_like(ids)))
        config = openvino_genai.GenerationConfig(max_new_tokens=new, ignore_eos=True, do_sample=False)
        self.pipeline.generate(inputs, config, Listener(heard))


if __name__ == "__main__":
    measurement.main(OpenVino)
