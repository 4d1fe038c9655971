"""A backend of `torch.compile`: `import tyllm.torch_edgex`, then `torch.compile(module, backend="edgex")`.

A module of supported operators is compiled ahead of time for a number of dies and run through the runtime; operators
that cannot be compiled run in torch, with a warning that names them.
"""

from torch._dynamo import list_backends, register_backend

from tyllm.torch_edgex import edgex_module
from tyllm.torch_edgex.backend import FallbackWarning, edgex
from tyllm.torch_edgex.options import Options, current, reset, set_device_mode

__all__ = ["FallbackWarning", "Options", "current", "edgex", "edgex_module", "reset", "set_device_mode"]

if "edgex" not in list_backends(exclude_tags=()):
    register_backend(edgex, name="edgex")
