"""Another program's tokens are held against the judge's up to the first difference of each prompt."""

import pytest
import torch


@pytest.fixture
def judged():
    """(2, 3, 4) log-probabilities of two prompts, three tokens each; the judge takes 1, 1, 1 and 2, 2, 2."""
    logits = torch.zeros(2, 3, 4)
    logits[0, :, 1], logits[1, :, 2] = 2.0, 2.0
    logits[1, 1, 3] = 1.75
    return logits.log_softmax(-1)


def comparison(quantizers, judged, tokens, off=0.0):
    module = quantizers("open_elsewhere")
    tokens = torch.tensor(tokens)
    logprobs = judged.gather(-1, tokens[..., None])[..., 0] + off
    return module.compared(module.Opened("awq", "vllm", "float16"), judged, tokens, logprobs)


def test_the_same_tokens(quantizers, judged):
    found = comparison(quantizers, judged, [[1, 1, 1], [2, 2, 2]], off=0.25)
    assert (found.same, found.gaps, found.passed) == (6, (), True)
    assert found.logprobs_apart == pytest.approx(0.25)


def test_only_the_first_difference_counts(quantizers, judged):
    found = comparison(quantizers, judged, [[1, 1, 1], [2, 3, 0]])
    assert found.same == 4
    assert found.gaps == pytest.approx((0.25,))
    assert not found.passed


def test_a_tie_passes(quantizers, judged):
    judged[1, 1, 3] = judged[1, 1, 2] - 0.01
    assert comparison(quantizers, judged, [[1, 1, 1], [2, 3, 0]]).passed


def test_the_table_tells_gaps_and_errors(quantizers):
    module = quantizers("open_elsewhere")
    table = module.markdown([
        module.Opened("awq", "vllm", "float16", 120, (0.0123,), 0.002),
        module.Opened("awq, head", "vllm", "float32", error="refused"),
    ])  # fmt: skip
    assert "| awq | vllm float16 | 120 of 128 | 0.0123 | 0.0020 |" in table
    assert "| awq, head | vllm float32 | – | – | – | refused |" in table


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (
            "x\nValidationError: 1 error\n  Value error, no float32 for awq. [type=value]\nbye",
            "Value error, no float32 for awq.",
        ),
        (
            "(Worker) ERROR 1] NotImplementedError: not for Float\nDeadError: see above",
            "NotImplementedError: not for Float",
        ),
        ("killed", "killed"),
    ],
)
def test_the_first_error_is_the_cause(quantizers, tmp_path, lines, error):
    (tmp_path / "log").write_text(lines, encoding="utf-8")
    assert quantizers("open_elsewhere").reason(tmp_path / "log").removesuffix(" (see log)").strip() == error
