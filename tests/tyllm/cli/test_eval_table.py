"""The tables of an evaluation show every figure."""

import io

from rich.console import Console

from tyllm.cli.eval_table import draw_evaluation
from tyllm.evaluate import Closeness, Estimate, Evaluation, Quality

QUALITY = Quality(Estimate(26.2111, 25.5, 27.25), Estimate(0.4567, 0.44, 0.47))
OTHER = Quality(Estimate(26.1, 25.4, 27.1), Estimate(0.46, 0.45, 0.48))
CLOSE = Closeness(Estimate(0.00123, 0.0011, 0.0013), 0.0123, 0.5, Estimate(0.975, 0.97, 0.98), 31, 28,
                  Estimate(1.0042, 1.001, 1.007))  # fmt: skip


def drawn(found, reference):
    stream = io.StringIO()
    draw_evaluation(Console(file=stream, width=200), found, "quantized", reference)
    return " ".join(stream.getvalue().split())


def test_one_model():
    text = drawn(Evaluation(2047, 2048, 1, QUALITY, None, None, 12.3), None)
    assert "2047 tokens, 1 window of 2048, in 12.3 s" in text
    assert "perplexity 26.211 [25.500, 27.250] top-1 right 45.7% [44.0%, 47.0%]" in text


def test_two_models():
    text = drawn(Evaluation(2047, 2048, 1, QUALITY, OTHER, CLOSE, 12.3), "float")
    assert "quantized float" in text
    assert "perplexity 26.211 [25.500, 27.250] 26.100 [25.400, 27.100]" in text
    assert "KL divergence, nats a token 0.00123 [0.00110, 0.00130]" in text
    assert "its 99th percentile 0.01230 its maximum 0.50000" in text
    assert "same top-1 97.5% [97.0%, 98.0%] right → wrong 31 wrong → right 28" in text
    assert "perplexity × reference's 1.00420 [1.00100, 1.00700]" in text
