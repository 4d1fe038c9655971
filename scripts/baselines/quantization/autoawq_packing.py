"""Whether AutoAWQ stores the same tensors and packs integers as we do, byte for byte."""

from pathlib import Path

import numpy as np
from baselines.harness.environments import make_environment, python
from baselines.harness.paths import BASELINES, MADE
from baselines.harness.steps import run
from safetensors.numpy import load_file

from hf_checkpoint.awq_gemm import pack_linear
from hf_checkpoint.checkpoint import Checkpoint


def check_packing() -> None:
    """Raise `AssertionError` unless our packing of AutoAWQ's integers equals AutoAWQ's; `StepError` if that fails."""
    make_environment("autoawq")
    file = MADE / "linear.safetensors"
    driver = BASELINES / "quantization" / "drivers" / "drive_autoawq.py"
    run([python("autoawq"), "-W", "ignore", driver, "--linear", file], "autoawq")
    check_linear(file)


def check_linear(file: Path) -> None:
    """Raise unless our packing gives the bytes in `file`, which AutoAWQ made."""
    made = load_file(file)
    scales = made["scales"].T
    steps = scales.repeat(made["rounded"].shape[1] // scales.shape[1], axis=1).astype(np.float32)
    zeros = made["zeros"].repeat(steps.shape[1] // scales.shape[1], axis=1)
    q = np.rint(made["rounded"] / steps + zeros).astype(np.uint8)
    ours = pack_linear(q, made["zeros"].astype(np.uint8), scales)
    for field, array in ours._asdict().items():
        if array.tobytes() != made[field].tobytes():
            raise AssertionError(f"our {field} is not AutoAWQ's")


def check_tensors(ours: Path, theirs: Path) -> None:
    """Raise unless both folders store tensors of the same names, types and shapes."""
    a, b = (
        {name: (info.dtype, info.shape) for name, info in Checkpoint.open(folder).tensors.items()}
        for folder in (ours, theirs)
    )
    if a != b:
        raise AssertionError(f"tensors differ: {sorted(set(a.items()) ^ set(b.items()))[:4]}")
