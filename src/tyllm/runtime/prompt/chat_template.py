"""Chat messages to text by the checkpoint's own Jinja template, in a sandbox, as Hugging Face transformers does it.

Its documentation is at https://huggingface.co/docs/transformers/chat_templating: `add_generation_prompt`, `tools`,
`raise_exception`, `strftime_now`, a `tojson` that escapes no HTML, `{% generation %}` blocks, loop controls.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from hf_messages.messages import Message
from tyllm.package.file_names import CHAT_TEMPLATE, TOKENIZER_CONFIG
from tyllm.package.json_file import read_json_if_there
from tyllm.runtime.prompt.tokenizer import special_tokens
from tyllm_base.errors import GenerationError, PackageError

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment


class ChatTemplate:
    """A package's template, compiled once."""

    def __init__(self, folder: Traversable) -> None:
        """Read and compile the template; raises `PackageError` where there is none or it is not Jinja."""
        from jinja2 import TemplateError

        sources = _sources(folder)
        if not sources:
            raise PackageError(f"{folder} has no chat template; use generate, or compile a checkpoint that has one.")
        self._special_tokens = special_tokens(folder)
        environment = _environment()
        try:
            self._templates = {name: environment.from_string(source) for name, source in sources.items()}
        except TemplateError as error:
            raise PackageError(
                f"The chat template of {folder} is not Jinja ({error}); correct the checkpoint's."
            ) from error

    def render(
        self, messages: Sequence[Message], *, tools: Sequence[object] | None = None,
        add_generation_prompt: bool = True, **options: Any,
    ) -> str:  # fmt: skip
        """The text of a chat, up to where the assistant's answer begins.

        Raises:
            GenerationError: no message, or the template refuses them.
        """
        from jinja2 import TemplateError

        if not messages:
            raise GenerationError("The chat has no messages; give at least one.")
        variables = {**self._special_tokens, "messages": [dict(message) for message in messages], "tools": tools,
                     "documents": None, "add_generation_prompt": add_generation_prompt, **options}  # fmt: skip
        try:
            return str(self._choose(tools).render(variables))
        except (TemplateError, TypeError, KeyError, ValueError, AttributeError) as error:
            raise GenerationError(f"The chat template refuses these messages: {error}.") from error

    def _choose(self, tools: Sequence[object] | None) -> Template:
        """A checkpoint may have a template of its own for tools."""
        if tools and "tool_use" in self._templates:
            return self._templates["tool_use"]
        return self._templates.get("default") or next(iter(self._templates.values()))


def _sources(folder: Traversable) -> dict[str, str]:
    """The templates by name: of the file of its own, or else in tokenizer_config.json, as one or as a list."""
    if (folder / CHAT_TEMPLATE).is_file():
        return {"default": (folder / CHAT_TEMPLATE).read_text(encoding="utf-8")}
    found = read_json_if_there(folder / TOKENIZER_CONFIG).get("chat_template")
    if isinstance(found, list):
        return {entry["name"]: entry["template"] for entry in found}
    return {"default": found} if isinstance(found, str) else {}


def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2.ext import Extension, loopcontrols
    from jinja2.nodes import Node, Scope
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class GenerationBlock(Extension):
        """{% generation %} marks the assistant's words for training; here only its content counts."""

        tags = {"generation"}  # noqa: RUF012 (Jinja declares it so)

        def parse(self, parser: Parser) -> Node:
            line = next(parser.stream).lineno
            return Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
    return environment


def _to_json(
    value: object, ensure_ascii: bool = False, indent: int | None = None,
    separators: tuple[str, str] | None = None, sort_keys: bool = False,
) -> str:  # fmt: skip
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(message)
