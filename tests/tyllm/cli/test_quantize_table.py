"""A plan and an outcome as a person reads them."""

import io

import pytest
from rich.console import Console

from tyllm.cli.quantize_table import draw_plan, draw_result

PLAN = {
    "layers": 2,
    "linears": {4: 13, 16: 2},
    "vision_linears": {},
    "weights": 1_500_000,
    "bits_per_weight": 4.15625,
    "output": 3 << 20,
    "tokens": 4096,
    "images": 0,
    "memory": 2 << 30,
    "free_memory": 1 << 30,
    "disk": 5 << 20,
    "free_disk": None,
}
RESULT = {
    "checkpoint": "out",
    "original_bytes": 4096,
    "bytes": 1024,
    "seconds": 1.25,
    "peak_memory": 3 << 20,
    "overrides": {},
    "report": {"measure": "outputs", "linears": []},
}


def value(number):
    return {"value": number, "low": number / 2, "high": number * 2}


QUALITY = {"perplexity": value(10.0), "accuracy": value(0.5)}
WORSE = {"perplexity": value(10.5), "accuracy": value(0.25)}
CLOSENESS = {"divergence": value(0.02), "divergence_99": 0.4, "agreement": value(0.9)}
EVALUATION = {"reference": QUALITY, "quality": WORSE, "closeness": CLOSENESS, "tokens": 2047, "seconds": 3.0}


@pytest.fixture
def lines():
    """`lines(draw, …)`: the lines that a function draws, without the spaces between columns."""

    def call(draw, *arguments):
        stream = io.StringIO()
        draw(Console(file=stream, width=100, highlight=False), *arguments)
        return [" ".join(line.split()) for line in stream.getvalue().splitlines() if line.strip()]

    return call


def test_a_plan(lines):
    assert lines(draw_plan, PLAN, None) == [
        "Plan",
        "layers 2, linear layers: 13 of 4 bits, 2 of float16",
        "weights 0.0015 billion, 4.156 bits where quantized",
        "calibration 4096 tokens",
        "result 3.0 MiB",
        "memory about 2.0 GiB of 1.0 GiB free",
        "disk at most 5.0 MiB",
    ]


def test_a_plan_without_a_text_and_with_a_warning(lines):
    drawn = lines(draw_plan, PLAN | {"tokens": 0, "memory": None}, "It is [too] much.")
    assert "calibration none" in drawn and drawn[-1] == "Warning: It is [too] much."
    assert not any(line.startswith("memory") for line in drawn)


def test_an_outcome_that_was_compared(lines):
    drawn = lines(draw_result, RESULT | {"evaluation": EVALUATION})
    assert drawn[3:] == [
        "size 4.0 KiB 1.0 KiB",
        "perplexity 10.000 10.500",
        "top-1 right 50.0% 25.0%",
        "KL divergence, nats a token 0.02000 [0.01000, 0.04000]",
        "its 99th percentile 0.40000",
        "same top-1 90.0%",
        "It took 1.2 s, 3.0 MiB of memory at its peak.",
        "Compared on 2047 tokens of held-out text, in 3.0 s.",
    ]


def test_the_three_largest_errors_are_named(lines):
    linears = [{"name": name, "error": error} for name, error in (("a", 0.1), ("b", 0.4), ("c", 0.2), ("d", 0.3))]
    result = RESULT | {"report": {"measure": "outputs", "linears": linears}, "overrides": {"a": 8, "b": None}}
    drawn = lines(draw_result, result)
    assert "2 linear layers kept at 8 bits and float16 within the budget." in drawn
    assert drawn[-1] == "Largest errors (of outputs, squared): b 40.00%, d 30.00%, c 20.00%."
