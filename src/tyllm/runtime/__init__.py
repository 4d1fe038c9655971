"""Open a package and run it: numpy, tokenizers and jinja2 only; no torch, no TVM, no transformers."""

from tyllm.runtime.session import Session

__all__ = ["Session"]
