"""Compile any module for two dies through torch.compile, and run it.

python examples/6_torch_compile.py [FOLDER]
"""

import sys

import torch
from torch import nn

import tyllm.torch_edgex

tyllm.torch_edgex.set_device_mode("AOT_DIR", sys.argv[1] if len(sys.argv) > 1 else "./out/examples/edgex")

mlp = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64)).eval()
compiled = torch.compile(mlp, backend="edgex", options={"dies": 2})
x = torch.randn(8, 64)
with torch.no_grad():
    print(f"largest difference from eager torch: {(compiled(x) - mlp(x)).abs().max():.1e}")
