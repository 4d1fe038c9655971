"""The toy package of tests/tyllm."""

from tests.tyllm.conftest import toy, toy_library

__all__ = ["toy", "toy_library"]
