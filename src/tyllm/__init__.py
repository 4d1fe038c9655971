"""TyLLM: compile large language models ahead of time for one or more dies, and run them.

The classes are `from tyllm import LLM, AsyncLLM, SamplingParams, Session`; what they need is imported only then.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tyllm.runtime import LLM, AsyncLLM, SamplingParams, Session, StructuredOutputsParams

__version__ = "2.0.0.dev0"
__all__ = ["LLM", "AsyncLLM", "SamplingParams", "Session", "StructuredOutputsParams"]


def __getattr__(name: str) -> Any:
    """The runtime's classes by name; raises `AttributeError` for others."""
    if name not in __all__:
        raise AttributeError(f"module 'tyllm' has no attribute {name!r}")
    from tyllm import runtime

    return getattr(runtime, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
