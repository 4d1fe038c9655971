"""Renders chat templates as Hugging Face transformers does: the task of an isolated process, with jinja2 alone.

Its documentation is at https://huggingface.co/docs/transformers/chat_templating: `add_generation_prompt`, `tools`,
`raise_exception`, `strftime_now`, a `tojson` that escapes no HTML, `{% generation %}` blocks, loop controls.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from jinja2 import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node, Scope
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment


class GenerationBlock(Extension):
    """{% generation %} marks the assistant's words for training; here only its content counts."""

    tags = {"generation"}  # noqa: RUF012 (Jinja declares it so)

    def parse(self, parser: Parser) -> Node:
        """The block as a scope of its own."""
        line = next(parser.stream).lineno
        return Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class Values(pickle.Unpickler):
    """Reads what `template_values.packed` wrote, of the classes that it names and no others."""

    def __init__(self, packed: bytes, classes: Collection[str]) -> None:
        super().__init__(io.BytesIO(packed))
        self._classes = classes

    def find_class(self, module: str, name: str) -> Any:
        """A class of plain values; raises `ValueError` for any other name."""
        if f"{module}.{name}" in self._classes:
            return super().find_class(module, name)
        raise ValueError(f"{module}.{name} is no plain value")


def prepare(setup: bytes) -> Callable[[bytes], str]:
    """The function that renders.

    Its request is the packed (name, time, variables). Raises whatever Jinja and Python's compiler raise.

    Args:
        setup: JSON {"templates": {"default": source, …}, "classes": those of values that may come}.
    """
    given = json.loads(setup)
    clock, classes = Clock(), frozenset(given["classes"])
    environment = environment_for(clock)
    templates = {name: environment.from_string(source) for name, source in given["templates"].items()}

    def render(request: bytes) -> str:
        name, clock.now, variables = Values(request, classes).load()
        return str(templates[name].render(variables))

    return render


class Clock:
    """The time that a chat is rendered at: the parent's, in its time zone."""

    now: datetime

    def strftime_now(self, form: str) -> str:
        """The time in a form of strftime's."""
        return self.now.strftime(form)


def environment_for(clock: Clock) -> ImmutableSandboxedEnvironment:
    """Transformers' environment: no access to Python's insides, no change to the messages."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: clock.strftime_now(form)
    return environment


def _to_json(
    value: object, ensure_ascii: bool = False, indent: int | None = None,
    separators: tuple[str, str] | None = None, sort_keys: bool = False,
) -> str:  # fmt: skip
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise TemplateError(message)
