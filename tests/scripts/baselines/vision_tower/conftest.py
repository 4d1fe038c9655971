"""A run over vision towers to show."""

import pytest
from baselines.vision_tower.rounds import TowerRun, TowerSample


def sample(engine: str, seconds: tuple[float, ...], cosine: float = 0.9999) -> TowerSample:
    """A sample of the first round."""
    return TowerSample(0, engine, 1.5, seconds, 2_000_000, cosine, cosine)


@pytest.fixture
def run() -> TowerRun:
    """Ours takes 1 s, OpenVINO 2, ONNX Runtime's int8 1.5; a fast one is wrong, another failed."""
    run = TowerRun(
        when="2026-01-02", machine="A processor", threads=2, tower="A tower", grid=(4, 6), limits=[{"amx_bf16": 1e12}]
    )
    run.samples += [
        sample("tyllm", (0.9, 1.0, 3.0)),
        sample("tyllm", (1.0,)),
        sample("openvino-batched-sdpa", (2.0,)),
        sample("openvino-masks-sdpa", (0.1,), cosine=0.5),
        sample("onnxruntime-batched-matmul-int8", (1.5,)),
        TowerSample(0, "torch-own", error="out of luck"),
    ]
    return run
