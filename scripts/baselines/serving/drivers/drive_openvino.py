"""Measures OpenVINO GenAI's continuous batching, cached prefixes off."""

from pathlib import Path

import numpy as np
import openvino
import openvino_genai
from baselines.serving.loads import measurement

CACHE = 2  # GB for keys and values, more than 16 streams of 256 tokens need


class OpenVino:
    """A pipeline on the CPU whose steps are called one by one."""

    def __init__(self, model: Path, threads: int, streams: int, capacity: int) -> None:
        settings = openvino_genai.SchedulerConfig()
        settings.max_num_seqs, settings.cache_size, settings.enable_prefix_caching = streams, CACHE, False
        options = {"INFERENCE_NUM_THREADS": threads}
        self.pipeline = openvino_genai.ContinuousBatchingPipeline(model, settings, "CPU", options)
        self.running: dict[int, openvino_genai.GenerationHandle] = {}
        self.added = 0

    def add(self, number: int, tokens: list[int], new: int) -> None:
        """As in `StreamEngine`."""
        ids = openvino.Tensor(np.array([tokens], np.int64))
        config = openvino_genai.GenerationConfig(max_new_tokens=new, ignore_eos=True, do_sample=False)
        self.running[number] = self.pipeline.add_request(self.added, ids, config)
        self.added += 1

    def step(self) -> list[tuple[int, int]]:
        """As in `StreamEngine`."""
        self.pipeline.step()
        heard = []
        for number, handle in list(self.running.items()):
            while handle.can_read():
                heard += [(number, len(output.generated_ids)) for output in handle.read().values()]
            if handle.get_status() != openvino_genai.GenerationStatus.RUNNING:
                del self.running[number]
        return heard


if __name__ == "__main__":
    measurement.main(OpenVino)
