"""Chat templates rendered in a process of their own: one that does not end or takes all memory harms only itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from hf_messages.template_values import PLAIN_CLASSES, packed
from tyllm_base.errors import GenerationError, TyllmError
from tyllm_base.isolated_process import MIB, Failure, IsolatedProcess, Limits

TASK = Path(__file__).with_name("template_task.py")
COMPILING = Limits(seconds=2.0, wall_seconds=20.0, memory=512 * MIB, answer=MIB)
RENDERING = Limits(seconds=2.0, wall_seconds=4.0, memory=512 * MIB, answer=16 * MIB)  # and more for a long chat
LONGEST_SOURCE = MIB // 2  # characters of all templates; the longest known ones have 20,000
DEFAULT, FOR_TOOLS = "default", "tool_use"


class ChatRenderer:
    """Templates of a checkpoint or a package, by name, compiled once."""

    def __init__(self, sources: Mapping[str, str], refuse: Callable[[str], TyllmError]) -> None:
        """Start the process and compile the templates.

        Args:
            sources: templates by name; one of them is "default", or the first is.
            refuse: makes the error of a template that cannot be compiled, from what is wrong with it, such as
                "is not Jinja (…)"; `render` is refused with a `GenerationError`.
        """
        self._names = list(sources)
        if (length := sum(map(len, sources.values()))) > LONGEST_SOURCE:
            raise refuse(f"is {length:,} characters long, more than the {LONGEST_SOURCE:,} that are read")
        setup = json.dumps({"templates": dict(sources), "classes": PLAIN_CLASSES})
        self._process = IsolatedProcess(TASK, setup.encode(), COMPILING)
        self._process.start(lambda failure: refuse(_of_compiling(failure)))

    def render(self, variables: Mapping[str, Any]) -> str:
        """The text of a chat; "tools" among the variables choose the template for tools, where there is one.

        Raises:
            GenerationError: the template refuses the chat, or goes beyond a limit; a value cannot be handed to it.
        """
        request = packed((self._choose(variables), datetime.now().astimezone(), dict(variables)))
        return str(self._process.call(request, _of_rendering, RENDERING))

    def close(self) -> None:
        """End the process; calling it twice is no mistake, and a later `render` starts another."""
        self._process.close()

    def _choose(self, variables: Mapping[str, Any]) -> str:
        if variables.get("tools") and FOR_TOOLS in self._names:
            return FOR_TOOLS
        return DEFAULT if DEFAULT in self._names else self._names[0]


def _of_compiling(failure: Failure) -> str:
    if failure.kind == "raised":
        return f"is not Jinja ({failure.reason})"
    return _beyond(failure)


def _of_rendering(failure: Failure) -> TyllmError:
    if failure.kind == "raised":
        return GenerationError(f"The chat template refuses these messages: {failure.reason.rstrip('.')}.")
    return GenerationError(f"The chat template {_beyond(failure)}; correct it, or give text to generate.")


def _beyond(failure: Failure) -> str:
    if failure.kind == "not started":
        return f"is rendered in a process of its own, and the system started none ({failure.reason})"
    return failure.reason
