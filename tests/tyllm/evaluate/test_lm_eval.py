"""The adapter for lm-evaluation-harness: against lm_eval itself where it is installed, else against its interface."""

import importlib
import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from fake_package import reference_logits

from tyllm_base.errors import SettingError

ADAPTER = "tyllm.evaluate.lm_eval"


class TemplateLM:
    """What lm_eval 0.4.13's class of that name does of what the adapter leaves to it."""

    def loglikelihood(self, requests):
        encoded = []
        for context, continuation in (request.args for request in requests):
            whole, start = self.tok_encode(context + continuation), len(self.tok_encode(context))
            pair = (whole[:start], whole[start:]) if context else ([self.prefix_token_id], whole)
            encoded.append(((context, continuation), *pair))
        return self._loglikelihood_tokens(encoded)


def rolling_windows(tokens, prefix, longest, context_len):
    """lm_eval's get_rolling_token_windows for a context of one token: input and what follows each token of it."""
    assert context_len == 1
    yield [prefix, *tokens[: longest - 1]], tokens[:longest]
    for done in range(longest, len(tokens), longest):
        end = min(done + longest, len(tokens))
        yield tokens[end - longest - 1 : end - 1], tokens[done:end]


def without_overlap(pair):
    """lm_eval's make_disjoint_window."""
    read, predicted = pair
    return read[: len(read) - (len(predicted) - 1)], predicted


def stand_ins():
    """lm_eval's modules as far as the adapter uses them, and its table of models."""
    table = {}

    def register_model(*names):
        return lambda cls: table.update(dict.fromkeys(names, cls)) or cls

    content = {
        "lm_eval": {},
        "lm_eval.models": {},
        "lm_eval.api": {},
        "lm_eval.api.model": {"TemplateLM": TemplateLM},
        "lm_eval.api.registry": {"register_model": register_model, "get_model": table.__getitem__},
        "lm_eval.utils": {"get_rolling_token_windows": rolling_windows, "make_disjoint_window": without_overlap},
    }
    modules = {name: ModuleType(name) for name in content}
    for name, attributes in content.items():
        vars(modules[name]).update(attributes)
    return modules


@pytest.fixture(params=["stand-in", "lm_eval"])
def model(request, toy, monkeypatch):
    """The model that lm_eval finds under the name "tyllm"."""
    if request.param == "stand-in":
        monkeypatch.delitem(sys.modules, ADAPTER, raising=False)
        for name, module in stand_ins().items():
            monkeypatch.setitem(sys.modules, name, module)
    elif importlib.util.find_spec("lm_eval") is None:
        pytest.skip("lm_eval is not installed")
    importlib.import_module(ADAPTER)
    found = sys.modules["lm_eval.api.registry"].get_model("tyllm")(path=str(toy(dies=2)), threads=2, batch_size=1)
    yield found
    found.session.close()
    if request.param == "stand-in":
        del sys.modules[ADAPTER]


def test_a_signer_is_demanded(model, toy):
    with pytest.raises(SettingError, match=r"nowhere\.pem cannot be read"):
        type(model)(path=str(toy(dies=2)), signer="nowhere.pem")


def asked(*pairs):
    return [SimpleNamespace(args=pair) for pair in pairs]


def likelihood(tokens, start):
    """Log-probability of tokens[start:], and whether each is the likeliest, by the toy's definition."""
    rows = [reference_logits(tokens[:end]).astype(float) for end in range(start, len(tokens))]
    total = sum(row[t] - np.log(np.exp(row).sum()) for row, t in zip(rows, tokens[start:], strict=True))
    return total, all(row.argmax() == t for row, t in zip(rows, tokens[start:], strict=True))


def test_loglikelihood(model):
    found = model.loglikelihood(asked(("abc", " de"), ("abc", " fgh"), ("", "xyz")))
    encode = model.tok_encode
    cases = [(encode("abc de"), 3), (encode("abc fgh"), 3), ([model.prefix_token_id, *encode("xyz")], 1)]
    for (total, greedy), case in zip(found, cases, strict=True):
        wanted, is_greedy = likelihood(*case)
        assert total == pytest.approx(wanted, abs=1e-3)
        assert greedy == is_greedy


def test_rolling_predicts_each_token_once(model):
    text = "words " * 25  # 150 tokens, and the cache holds 64
    tokens = [model.prefix_token_id, *model.tok_encode(text)]
    wanted = likelihood(tokens[:65], 1)[0] + likelihood(tokens[64:129], 1)[0] + likelihood(tokens[86:], 43)[0]
    assert model.loglikelihood_rolling(asked((text,))) == [pytest.approx(wanted, abs=1e-2)]


def test_generate_until(model):
    plain = model.session.generate("abc", max_new_tokens=12).text
    long, short, stopped, cut = model.generate_until(
        asked(
            ("abc", {"max_gen_toks": 12}),
            ("abc", {"max_gen_toks": 5, "temperature": 1.0, "do_sample": False}),
            ("abc", {"max_gen_toks": 12, "until": [plain[3], ""]}),
            ("z" * 200, {"max_gen_toks": 20, "until": None}),
        )
    )
    assert long == plain
    assert plain.startswith(short) and len(short) < len(plain)
    assert stopped == plain[: plain.index(plain[3])]
    assert cut == model.session.generate("z" * 44, max_new_tokens=20).text


def test_what_lm_eval_asks_of_the_model(model):
    assert (model.eot_token_id, model.max_length) == (256, 64)
    assert "/" not in model.tokenizer_name
    assert model.apply_chat_template([{"role": "user", "content": "hi"}], add_generation_prompt=False).endswith(
        "hi<|im_end|>\n"
    )
    assert "im_start" in model.chat_template(True)
    assert model.chat_template(False) == ""
