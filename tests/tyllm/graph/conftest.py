"""As for the door `torch_edgex`: each test compiles into a folder of its own, with the options as they are at first."""

from tests.tyllm.torch_edgex.conftest import fresh

__all__ = ["fresh"]
