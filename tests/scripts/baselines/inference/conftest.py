"""A small run to show."""

import pytest
from baselines.inference.samples import InferenceRun, Sample


@pytest.fixture
def small_run() -> InferenceRun:
    """Three rounds of TyLLM and OpenVINO on one shape; ONNX Runtime failed."""
    run = InferenceRun(
        when="2026-01-02", machine="A processor", threads=2, sizes={"Qwen2-0.5B": {"tyllm": 250_000_000}},
        limits=[{"read": 20e9, "vpdpbusd": 1e12}] * 2,
    )  # fmt: skip
    for turn, (ours, theirs) in enumerate([(80.0, 40.0), (60.0, 30.0), (70.0, 50.0)]):
        for engine, rate in (("tyllm", ours), ("openvino", theirs)):
            rates = (9 * rate, 10 * rate, 12 * rate), (rate,)
            for prompt in (96, 512):
                run.samples.append(Sample(turn, "Qwen2-0.5B", engine, prompt, 100 / rate, *rates, 600_000_000))
    run.samples.append(Sample(0, "Qwen2-0.5B", "onnxruntime", 96, error="out of luck"))
    return run
