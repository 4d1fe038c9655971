"""The tiny random checkpoints of the quantizer's tests."""

from tests.awq.conftest import checkpoint

__all__ = ["checkpoint"]
