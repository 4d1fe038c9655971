"""Chat messages to text by the checkpoint's own Jinja template, as Hugging Face transformers does it.

The template is foreign code: it runs in Jinja's sandbox, in a process of its own with limits
(`hf_messages/chat_renderer.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources.abc import Traversable
from typing import Any

from hf_messages.chat_renderer import ChatRenderer
from hf_messages.messages import Message
from tyllm.package.file_names import CHAT_TEMPLATE, TOKENIZER_CONFIG
from tyllm.package.json_file import read_json_if_there
from tyllm.runtime.prompt.tokenizer import special_tokens
from tyllm_base.errors import GenerationError, PackageError


class ChatTemplate:
    """A package's template, compiled once."""

    def __init__(self, folder: Traversable) -> None:
        """Read and compile the template; raises `PackageError` where there is none or it is not Jinja."""
        sources = _sources(folder)
        if not sources:
            raise PackageError(f"{folder} has no chat template; use generate, or compile a checkpoint that has one.")
        self._special_tokens = special_tokens(folder)
        self._renderer = ChatRenderer(
            sources, lambda wrong: PackageError(f"The chat template of {folder} {wrong}; correct the checkpoint's.")
        )

    def render(
        self, messages: Sequence[Message], /, *, tools: Sequence[object] | None = None,
        add_generation_prompt: bool = True, **options: Any,
    ) -> str:  # fmt: skip
        """The text of a chat, up to where the assistant's answer begins.

        Raises:
            GenerationError: no message, the template refuses them or goes beyond a limit, or a value cannot be handed
                to it.
        """
        if not messages:
            raise GenerationError("The chat has no messages; give at least one.")
        variables = {**self._special_tokens, "messages": [dict(message) for message in messages], "tools": tools,
                     "documents": None, "add_generation_prompt": add_generation_prompt, **options}  # fmt: skip
        return self._renderer.render(variables)

    def close(self) -> None:
        """End the template's process; calling it twice is no mistake."""
        self._renderer.close()


def _sources(folder: Traversable) -> dict[str, str]:
    """The templates by name: of the file of its own, or else in tokenizer_config.json, as one or several."""
    file = folder / CHAT_TEMPLATE
    if file.is_file():
        try:
            return {"default": file.read_bytes().decode("utf-8-sig")}
        except OSError as error:
            raise PackageError(f"Cannot read {file}: {error.strerror}; compile the model again.") from error
        except UnicodeDecodeError as error:
            raise PackageError(f"{file} is not UTF-8 text ({error}); correct the checkpoint's.") from error
    return _named(read_json_if_there(folder / TOKENIZER_CONFIG).get("chat_template"), folder / TOKENIZER_CONFIG)


def _named(found: object, file: Traversable) -> dict[str, str]:
    """Templates by name of what tokenizer_config.json holds: text, {name: text}, or [{"name": …, "template": …}]."""
    if found is None:
        return {}
    if isinstance(found, str):
        return {"default": found}
    if isinstance(found, list) and all(isinstance(entry, dict) for entry in found):
        named = [(entry.get("name"), entry.get("template")) for entry in found]
    else:
        named = list(found.items()) if isinstance(found, dict) else [(None, None)]
    if not all(isinstance(name, str) and isinstance(source, str) for name, source in named):
        raise PackageError(
            f"The chat_template of {file} is neither text nor a list of names and templates; correct the checkpoint's."
        )
    return {str(name): str(source) for name, source in named}
