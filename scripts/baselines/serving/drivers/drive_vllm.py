"""Measures vLLM on the CPU, in its only 4-bit form there: AWQ, bfloat16, without torch.compile, cached prefixes off."""

from pathlib import Path

import torch
from baselines.serving.loads import measurement
from vllm import LLM, SamplingParams
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind


class Vllm:
    """The engine whose steps are called one by one; it computes in processes of its own."""

    def __init__(self, model: Path, threads: int, streams: int, capacity: int) -> None:
        check_kernel()
        self.engine = LLM(
            str(model), dtype="bfloat16", max_model_len=capacity, max_num_seqs=streams, enforce_eager=True,
            enable_prefix_caching=False, seed=0,
        ).llm_engine  # fmt: skip
        self.added = 0
        self.numbers: dict[str, int] = {}

    def add(self, number: int, tokens: list[int], new: int) -> None:
        """As in `StreamEngine`."""
        name = f"request-{self.added}"
        self.added += 1
        self.numbers[name] = number
        sampling = SamplingParams(temperature=0, max_tokens=new, ignore_eos=True, output_kind=RequestOutputKind.DELTA)
        self.engine.add_request(name, {"prompt_token_ids": tokens}, sampling)

    def step(self) -> list[tuple[int, int]]:
        """As in `StreamEngine`."""
        return [(self.numbers[answer.request_id], len(answer.outputs[0].token_ids)) for answer in self.engine.step()]


def check_kernel() -> None:
    """Raise `RuntimeError` where vLLM's library for this processor cannot multiply 4-bit weights."""
    current_platform.import_kernels()
    if not hasattr(torch.ops._C, "cpu_gemm_wna16"):
        raise RuntimeError("vLLM multiplies 4-bit weights (cpu_gemm_wna16) on processors with AVX-512 only")


if __name__ == "__main__":
    measurement.main(Vllm)
