"""Measures ONNX Runtime GenAI."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime_genai as og
from baselines.inference.drivers import measurement


class OnnxRuntime:
    """A model on the CPU provider."""

    def __init__(self, model: Path, threads: int, capacity: int) -> None:
        config = og.Config(str(model))
        config.overlay(json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}))
        self.model = og.Model(config)

    def generate(self, tokens: list[int], new: int, heard: Callable[[], None]) -> None:
        """As in `measurement.Engine`."""
        length = len(tokens) + new
        parameters = og.GeneratorParams(self.model)
        parameters.set_search_options(max_length=length, min_length=length, do_sample=False)
        generator = og.Generator(self.model, parameters)
        generator.append_tokens(np.array(tokens, np.int32))
        for _ in range(new):
            generator.generate_next_token()
            heard()


if __name__ == "__main__":
    measurement.main(OnnxRuntime)
