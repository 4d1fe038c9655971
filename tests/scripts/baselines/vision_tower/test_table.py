"""Programs are compared with the fastest that computes the same tower."""

from baselines.vision_tower import table
from baselines.vision_tower.engines import ENGINES


def test_the_fastest_that_is_right_is_compared(run):
    text = table.markdown(run)
    assert "OpenVINO bf16, windows in batches (2.000 s), TyLLM is 2.00× as fast" in text
    assert "8 bits, ONNX Runtime int8, windows in batches, MatMul (1.500 s), TyLLM is 1.50× as fast" in text
    assert "torch-own failed: out of luck" in text
    assert "A tower, 4 × 6 = 24 patches, 2 threads" in text


def test_a_row_has_medians_and_cosines(run):
    engines = {engine.name: engine for engine in ENGINES}
    assert table.row(run, engines["openvino-batched-sdpa"])[1:] == [
        "2.00",
        "1.50",
        "2.00",
        "0.999900",
        "0.999900",
        "2.00",
    ]
    assert table.row(run, engines["tyllm"])[1] == "1.00"
    assert table.row(run, engines["torch-own"])[1] == "failed"
