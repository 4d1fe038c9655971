"""`scripts/` on the import path, as Python runs its commands; one thread of torch, as in tests/models."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
torch.set_num_threads(1)
