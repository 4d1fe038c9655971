"""Compiled packages for EleutherAI's lm-evaluation-harness: `python -m tyllm.evaluate.lm_eval` is its `lm_eval`.

    python -m tyllm.evaluate.lm_eval --model tyllm --model_args path=PACKAGE,threads=4 --tasks hellaswag

lm_eval looks models up in a table of its own and asks nobody else, so this module enters `tyllm` there before it
starts lm_eval's own command line; a program that imports it can name the model "tyllm" too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lm_eval.models  # noqa: F401 (enters lm_eval's own models, which it omits once the table has another)
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from tyllm.evaluate.likelihood import continuation_likelihood
from tyllm.package.file_names import CHAT_TEMPLATE
from tyllm.runtime import Session
from tyllm.runtime.generation.result import Result
from tyllm.runtime.prompt.tokenizer import special_tokens

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

MAX_NEW_TOKENS = 256  # as lm_eval's own models
GREEDY: dict[str, Any] = {"temperature": 0.0, "repetition_penalty": 1.0}  # whatever the checkpoint's author says

TokenRequest = tuple[tuple[str, str], list[int], list[int]]  # texts; tokens of the context and of the continuation


@register_model("tyllm")
class TyllmLM(TemplateLM):  # type: ignore[misc]
    """A compiled package with lm_eval's interface; its base class tokenizes, this one scores and writes."""

    def __init__(self, path: str, threads: int | None = None, signer: str | None = None, **ignored: object) -> None:
        """Open a package; raises as `Session`.

        Args:
            path: the folder.
            threads: worker threads of all dies together.
            signer: the file of the public key or root certificate of whoever must have signed the package.
            ignored: lm_eval's batch_size and device, which a package has no use for.
        """
        super().__init__()
        self.path = Path(path)
        self.session = Session(self.path, threads, signer=signer)
        self._special = special_tokens(self.session.package.files)

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text; 0 in a package that names none."""
        return next(iter(self.session.eos_token_ids), 0)

    @property
    def prefix_token_id(self) -> int:
        """The token before the first one of a text: BOS, or the end of another text."""
        begin = self._special.get("bos_token")
        return self.eot_token_id if begin is None else self.tok_encode(begin, add_special_tokens=False)[0]

    @property
    def max_length(self) -> int:
        """Tokens that the KV cache holds."""
        return self.session.info.max_kv_cache_size

    @property
    def tokenizer_name(self) -> str:
        """A name for lm_eval's cache of requests."""
        return str(self.path).replace("/", "__")

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: object) -> list[int]:
        """Token ids; by default with the special tokens, unless a chat template has written the first one already."""
        if add_special_tokens is None:
            begin = self._special.get("bos_token")
            add_special_tokens = begin is None or not string.startswith(begin)
        return self.session.tokenizer.encode(string, add_special_tokens=add_special_tokens)

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Messages as the text that the model was trained on."""
        return self.session.chat_template.render(chat_history, add_generation_prompt=add_generation_prompt)

    def chat_template(self, chat_template: bool | str = False) -> str:
        """The template's source, for lm_eval's records."""
        file = self.session.package.files / CHAT_TEMPLATE
        return file.read_text(encoding="utf-8") if chat_template and file.is_file() else ""

    def _loglikelihood_tokens(self, requests: Sequence[TokenRequest], **_: object) -> list[tuple[float, bool]]:
        """For each (texts, context, continuation), the latter as tokens, what `continuation_likelihood` says."""
        return [continuation_likelihood(self.session, context, rest) for _, context, rest in requests]

    def loglikelihood_rolling(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[float]:
        """Log-probability of each text, in windows as long as the KV cache, each token predicted once."""
        return [self._rolling(self.tok_encode(request.args[0], add_special_tokens=False)) for request in requests]

    def _rolling(self, tokens: list[int]) -> float:
        windows = get_rolling_token_windows(tokens, self.prefix_token_id, self.max_length, context_len=1)
        pairs = map(make_disjoint_window, windows)
        return sum(continuation_likelihood(self.session, context, rest)[0] for context, rest in pairs)

    def generate_until(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[str]:
        """The text that the package generates after each text, up to a stop string."""
        return [self._generate(*request.args) for request in requests]

    def _generate(self, context: str, options: Mapping[str, Any]) -> str:
        names = ("max_gen_toks", "max_new_tokens", "max_tokens")
        count = min(
            next((int(options[name]) for name in names if name in options), MAX_NEW_TOKENS), self.max_length - 1
        )
        until = options.get("until") or []
        sampled: dict[str, Any] = {name: options[name] for name in ("temperature", "top_k", "top_p") if name in options}
        result: Result = self.session.generate(
            self.tok_encode(context)[count - self.max_length :],  # the end of a text that is too long
            max_new_tokens=count,
            stop=[stop for stop in ([until] if isinstance(until, str) else until) if stop],
            reuse=True,
            **(sampled if options.get("do_sample") else GREEDY),
        )
        return result.text


def main() -> None:
    """lm_eval's own command line."""
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()


if __name__ == "__main__":
    main()
