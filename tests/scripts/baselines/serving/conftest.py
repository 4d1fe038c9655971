"""A small run to show."""

import pytest
from baselines.serving.samples import Sample, ServingRun, Workload


@pytest.fixture
def small_run() -> ServingRun:
    """Three rounds of TyLLM and OpenVINO under load and of one of our parts; vLLM was not run."""
    run = ServingRun(
        when="2026-01-02", machine="A processor", threads=2, limits=[{"read": 20e9}] * 2,
        workload=Workload(streams=(1, 8)), versions={"tyllm": "TyLLM 2.0", "openvino": "openvino-genai 1.2"},
    )  # fmt: skip
    for turn, (ours, theirs) in enumerate([(80.0, 40.0), (60.0, 30.0), (70.0, 50.0)]):
        for engine, rate in (("tyllm", ours), ("openvino", theirs)):
            times = {"first p50": 500.0, "first p99": 900.0, "gap p50": 1e3 / rate, "gap p99": 2e3 / rate}
            rows = {str(streams): {"rate": streams * rate} | times for streams in (1, 8)}
            run.samples.append(Sample(turn, "Qwen2-0.5B", "throughput", engine, rows))
        steps = {"1 sequence": {"ms": 10.0}, "8 sequences": {"ms": 20.0, "× 1 row": 4.0}}
        run.samples.append(Sample(turn, "Qwen2-0.5B", "steps", "tyllm", steps))
    run.samples.append(Sample(0, "Qwen2-0.5B", "throughput", "vllm", error="Illegal instruction"))
    return run
