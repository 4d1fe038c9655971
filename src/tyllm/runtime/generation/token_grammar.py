"""Lets a text have the form that was asked for: of the next tokens all are impossible that cannot go on with it.

llguidance (https://github.com/guidance-ai/llguidance) compiles the form and computes the tokens; its own limits of fuel
and size bound the time that both take.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from tyllm.runtime.generation.structured_outputs import StructuredOutputsParams
from tyllm.runtime.prompt.tokenizer import Tokenizer
from tyllm.runtime.step.model_runner import Logits
from tyllm_base.errors import GenerationError, MissingExtraError

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

_LOCK = threading.Lock()
_KNOWN: WeakKeyDictionary[Tokenizer, dict[tuple[int, ...], LLTokenizer]] = WeakKeyDictionary()
"""What llguidance makes of a tokenizer, which takes a second, by the tokens that end a text."""


class TokenGrammar:
    """The logits processor of one text; it follows the tokens that are generated."""

    def __init__(self, params: StructuredOutputsParams, tokenizer: Tokenizer | None, ends: Collection[int]) -> None:
        """Compile a form.

        Args:
            params: the form.
            tokenizer: the package's; None for none.
            ends: the tokens that may end the text.

        Raises:
            GenerationError: the form cannot be compiled, there is no tokenizer, or no token ends a text.
            MissingExtraError: llguidance is not installed.
        """
        try:
            from llguidance import LLMatcher
        except ImportError as error:
            raise MissingExtraError(
                'structured_outputs needs llguidance: run `pip install "tyllm[structured]"`.'
            ) from error
        if tokenizer is None:
            raise GenerationError(
                "This package has no tokenizer.json, so structured_outputs cannot work; leave it out."
            )
        if not ends:
            raise GenerationError("structured_outputs needs a token that ends the text; leave ignore_eos out.")
        self._reader = reader = _reader(tokenizer, tuple(sorted(ends)))
        self._matcher = LLMatcher(reader, _grammar(LLMatcher, params), log_level=0)
        self._mask = np.zeros(-(-reader.vocab_size // 32), np.uint32)
        self._special = np.asarray([token for token in tokenizer.special if token < reader.vocab_size], np.intp)
        self._followed = 0
        self._check("cannot be compiled")

    def __call__(self, generated: list[int], logits: Logits) -> Logits:
        """The logits float32 [V], with −∞ for what cannot follow the generated tokens."""
        self._matcher.consume_tokens(generated[self._followed :])
        self._followed = len(generated)
        self._matcher.unsafe_compute_mask_ptr(self._mask.ctypes.data, self._mask.nbytes)
        self._check("cannot be followed")
        allowed = np.unpackbits(self._mask.view(np.uint8), bitorder="little").view(np.bool_)
        self._spell_special(allowed)
        allowed = allowed[: logits.size]
        np.copyto(logits[: allowed.size], -np.inf, where=~allowed)
        logits[allowed.size :] = -np.inf
        return logits

    def _spell_special(self, allowed: npt.NDArray[np.bool_]) -> None:
        """Where the form has the text of a special token, allow its first byte in the place of that token.

        llguidance proposes the token where nothing but this text can follow, and refuses it once it has come.
        """
        proposed = self._special[allowed[self._special]].tolist()
        if proposed and not self._matcher.is_accepting():
            wrong = [token for token in proposed if not self._matcher.validate_tokens([token])]
            if wrong:
                allowed[wrong] = False
                allowed[self._reader.tokenize_bytes(self._matcher.compute_ff_bytes()[:1])] = True

    def _check(self, what: str) -> None:
        if self._matcher.is_error():
            reason = " ".join(self._matcher.get_error().partition("<state>")[0].split())
            raise GenerationError(
                f"The form of structured_outputs {what} ({reason:.200}); give a simpler or another one."
            )


def _grammar(matcher: type[LLMatcher], params: StructuredOutputsParams) -> str:
    """The form in llguidance's own notation."""
    try:
        if params.json is not None or params.json_object:
            return matcher.grammar_from_json_schema(str(params.json) if params.json else '{"type": "object"}')
    except ValueError as error:
        raise GenerationError(f"json is no JSON schema ({error!s:.100}); give a dict or text that is one.") from error
    if params.regex is not None:
        return matcher.grammar_from_regex(params.regex)
    if params.choice is not None:
        return matcher.grammar_from_regex("|".join(map(re.escape, params.choice)))
    return matcher.grammar_from_lark(str(params.grammar))


def _reader(tokenizer: Tokenizer, ends: tuple[int, ...]) -> LLTokenizer:
    from llguidance import LLTokenizer

    with _LOCK:
        known = _KNOWN.setdefault(tokenizer, {})
        if ends not in known:
            try:
                known[ends] = LLTokenizer(tokenizer.to_json(), eos_token=list(ends))
            except ValueError as error:
                raise GenerationError(
                    f"structured_outputs cannot work with this tokenizer ({error!s:.100}); leave it out."
                ) from error
        return known[ends]
