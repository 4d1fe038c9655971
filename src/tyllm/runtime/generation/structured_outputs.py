"""What form a text must have: a JSON schema, any JSON object, a regular expression, a grammar, or one of some texts."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from tyllm_base.errors import GenerationError
from tyllm_base.option_checks import flag, refusal, texts

MOST_CHARACTERS = 1 << 16
"""Of a schema, expression or grammar: so many compile in some seconds at most."""


@dataclass(frozen=True, kw_only=True)
class StructuredOutputsParams:
    """The form of a text; exactly one of these is given. Names and meanings are those of vLLM's class.

    Attributes:
        json: a JSON schema, as a dict or as text.
        json_object: any JSON object.
        regex: a regular expression in the syntax of Rust's regex crate, which the whole text matches.
        grammar: a context-free grammar in Lark's syntax, as llguidance reads it.
        choice: the texts of which one is given.
    """

    json: str | Mapping[str, Any] | bool | None = None
    json_object: bool = False
    regex: str | None = None
    grammar: str | None = None
    choice: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Raise `GenerationError` for a form that is none, is too long, or more than one."""
        object.__setattr__(self, "json_object", flag("json_object", self.json_object))
        if self.choice is not None:
            object.__setattr__(self, "choice", texts("choice", self.choice))
            if not self.choice:
                raise refusal("choice", self.choice, "one text or more")
        for name in ("regex", "grammar"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise refusal(name, value, "a text")
        if self.json is not None:
            object.__setattr__(self, "json", _schema_text(self.json))
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        given = {name: value for name, value in given.items() if value not in (None, False)}
        if len(given) != 1:
            raise GenerationError(
                f"structured_outputs has {', '.join(given) or 'nothing'}; give one of json, json_object, regex, "
                "grammar and choice."
            )
        ((name, value),) = given.items()
        for text in (value,) if isinstance(value, str) else self.choice or ():
            _check_unicode(name, text)
        length = len(value) if isinstance(value, str) else sum(map(len, self.choice or ()))
        if length > MOST_CHARACTERS:
            raise GenerationError(f"{name} has {length:,} characters; give at most {MOST_CHARACTERS:,}.")


def structured_outputs(name: str, value: Any) -> StructuredOutputsParams | None:
    """The form that an option gives; raises `GenerationError` where it is none."""
    if value is not None and not isinstance(value, StructuredOutputsParams):
        raise refusal(name, value, "a StructuredOutputsParams, or None")
    return value


def _check_unicode(name: str, text: str) -> None:
    """Raise `GenerationError` for half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise GenerationError(f"The text of {name} is not Unicode ({error}); remove that character.") from error


def _schema_text(schema: object) -> str:
    """A schema as JSON; text is checked to be JSON."""
    try:
        if isinstance(schema, str):
            json_module.loads(schema)
            return schema
        return json_module.dumps(schema, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise GenerationError(f"json is no JSON schema ({error!s:.100}); give a dict or text that is one.") from error
