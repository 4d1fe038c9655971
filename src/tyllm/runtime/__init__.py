"""Open a package and run it: numpy, tokenizers and jinja2, and Pillow once there is an image; no torch, no TVM.

What serves many requests is imported when it is asked for, so that no command waits for asyncio and the scheduler.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tyllm.runtime.generation.sampling_params import SamplingParams
from tyllm.runtime.generation.structured_outputs import StructuredOutputsParams
from tyllm.runtime.session import Session

if TYPE_CHECKING:
    from tyllm.runtime.async_llm import AsyncLLM
    from tyllm.runtime.llm import LLM

__all__ = ["LLM", "AsyncLLM", "SamplingParams", "Session", "StructuredOutputsParams"]


def __getattr__(name: str) -> Any:
    """The classes for many requests by name; raises `AttributeError` for others."""
    modules = {"LLM": "llm", "AsyncLLM": "async_llm"}
    if name not in modules:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{modules[name]}"), name)
