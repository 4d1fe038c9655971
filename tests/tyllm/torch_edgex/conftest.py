"""Each test compiles into a folder of its own, with the options as they are at first."""

import pytest
import torch

from tyllm import torch_edgex


@pytest.fixture(autouse=True)
def fresh(tmp_path):
    torch._dynamo.reset()
    torch_edgex.reset()
    torch_edgex.set_device_mode("AOT_DIR", tmp_path)
    with torch.no_grad():
        yield
    torch_edgex.reset()
