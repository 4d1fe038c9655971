"""Steps that would be wrong without a word are refused; each is a real family, or the smallest model that does it."""

import pytest
import torch
from tests.families.changes import CHANGES
from tests.families.tiny_config import tiny_config
from transformers import AutoModelForCausalLM

from hf_checkpoint.model_on_meta import fill_buffers
from tyllm.llm.attention import IMPLEMENTATION, register
from tyllm.llm.experts import use_operator
from tyllm.llm.step_guard import TOKENS, check_head, check_rows, check_step
from tyllm_base.errors import UnsupportedError
from tytvm.capture import capture

MIXES = "mixes tokens outside of attention"
COUNTS = "counts the positions of tokens itself"
BEGINS_ELSEWHERE = "does not number positions 0, 1, 2"
REFUSED = {
    "lfm2": MIXES,  # a short convolution
    "falcon_h1": MIXES,  # by a state, with a buffer that the whole model fills
    "falcon": MIXES,  # an attention of its own
    "roberta": BEGINS_ELSEWHERE,  # at padding_idx + 1
}
PASSED = ["llama", "gpt2", "opt", "gemma2", "mixtral", "hrm_text", "diffllama", "bart"]


def on_meta(model_type):
    register()
    config = tiny_config(model_type, CHANGES.get(model_type, {}))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    model.set_attn_implementation(IMPLEMENTATION)
    use_operator(model)
    for module in model.modules():
        fill_buffers(model, module, torch.device("cpu"))
    return model


@pytest.mark.parametrize("model_type", REFUSED)
def test_families_that_would_be_wrong(model_type):
    with pytest.raises(UnsupportedError, match=REFUSED[model_type]):
        check_step(on_meta(model_type), takes_embeddings=False)


@pytest.mark.parametrize("takes_embeddings", [False, True])
@pytest.mark.parametrize("model_type", PASSED)
def test_families_that_are_right(model_type, takes_embeddings):
    check_step(on_meta(model_type), takes_embeddings)


class Step(torch.nn.Module):
    """A table, and what a test makes of its rows [1, S, 8]."""

    def __init__(self, between):
        super().__init__()
        self.table, self.between = torch.nn.Embedding(32, 8), between

    def forward(self, tokens):
        return self.between(self.table(tokens))


def tried(between):
    """The rows of a step, with the token of the third row replaced."""
    tokens = torch.tensor([[3, 1, 4, 2, 5, 9]])
    other = tokens.clone()
    other[0, 2] = 7
    captured = capture(Step(between).to("meta"), {"tokens": tokens.to("meta")})
    check_rows(captured, {"tokens": tokens}, {"tokens": other}, "Small")


def test_rows_on_their_own_pass():
    tried(lambda x: torch.nn.functional.layer_norm(x, (8,)) * x.softmax(-1))


@pytest.mark.parametrize(
    "between",
    [
        lambda x: x + x.mean(1, keepdim=True),
        lambda x: x.cumsum(1),
        lambda x: torch.cat([x[:, 1:], x[:, :1]], 1),
        lambda x: (x @ x.transpose(1, 2)).softmax(-1) @ x,  # an attention of its own
    ],
    ids=["mean", "sum", "shift", "attention"],
)
def test_tokens_that_mix(between):
    with pytest.raises(UnsupportedError, match=MIXES):
        tried(between)


def test_places_that_count():
    with pytest.raises(UnsupportedError, match=COUNTS):
        tried(lambda x: x + torch.arange(TOKENS, device=x.device).unsqueeze(-1))


def test_no_finite_numbers():
    with pytest.raises(UnsupportedError, match="no finite numbers"):
        tried(lambda x: x / 0)


def test_logits_of_all_tokens_whichever_are_asked_for():
    class Whole(torch.nn.Module):
        def forward(self, tokens, row):
            return torch.nn.functional.one_hot(tokens, 32).float()

    inputs = {
        name: torch.zeros(size, dtype=torch.int64, device="meta") for name, size in (("tokens", (1, 4)), ("row", 1))
    }
    with pytest.raises(UnsupportedError, match="Small computes the logits of all tokens and does not take logits_to_k"):
        check_head(capture(Whole(), inputs), "Small")
