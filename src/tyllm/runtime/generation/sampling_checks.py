"""What the values of sampling parameters may be, beyond numbers and texts: token ids, biases, functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tyllm_base.option_checks import as_number, is_whole, listed, refusal


def token_list(name: str, value: Any) -> tuple[int, ...]:
    """Token ids; () for None."""
    expected = "a list of token ids, whole numbers from 0"
    found = listed(name, value, expected)
    if not all(is_whole(each) and each >= 0 for each in found):
        raise refusal(name, value, expected)
    return tuple(int(each) for each in found)


def token_list_or_none(name: str, value: Any) -> tuple[int, ...] | None:
    """Token ids, which may be none at all; None for None."""
    return None if value is None else token_list(name, value)


def allowed_tokens(name: str, value: Any) -> tuple[int, ...] | None:
    """Token ids, at least one; None for None."""
    found = token_list_or_none(name, value)
    if found == ():
        raise refusal(name, value, "a list of at least one token id, or None for all")
    return found


def token_biases(name: str, value: Any) -> dict[int, float]:
    """What is added to the logits of some tokens, from -100 to 100 by token id; {} for None."""
    if value is None:
        return {}
    expected = "a dictionary of token ids, whole numbers from 0, and numbers from -100 to 100"
    if not isinstance(value, Mapping):
        raise refusal(name, value, expected)
    biases = {token: as_number(bias) for token, bias in value.items()}
    found = {int(token): bias for token, bias in biases.items() if is_whole(token) and token >= 0 and bias is not None}
    if len(found) < len(biases) or not all(-100 <= bias <= 100 for bias in found.values()):
        raise refusal(name, value, expected)
    return found


def callables(name: str, value: Any) -> tuple[Callable[..., Any], ...]:
    """Functions; () for None."""
    expected = "a list of functions of the token ids so far and the logits, which return logits"
    found = listed(name, value, expected)
    if not all(callable(each) for each in found):
        raise refusal(name, value, expected)
    return found
