"""Compare our quantiser with AutoAWQ 0.2.9 on the same checkpoint, calibration tokens and group size.

    python scripts/autoawq_oracle.py models/tyllm-7m [--group-size 128] [--samples 16] [--length 256]

It makes an environment of its own for AutoAWQ (about 1.5 GB under out/), quantises by round-to-nearest, by AutoAWQ in
float16 and in float32, and by ours, none of them the head, and prints perplexity, KL divergence from the float model
and top-1 agreement on held-out text. It fails unless AutoAWQ stores the same tensors and packs as we do.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file
from transformers import AutoTokenizer

from awq import AutoAWQForCausalLM
from awq.calibration import calibration_samples
from awq.checkpoint import Checkpoint
from awq.dequantize import load_dequantized
from awq.packing import pack_linear

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "models"))
from measure import HELD_OUT, score, tokens_of  # noqa: E402

OUT = REPO / "out" / "autoawq"
# The last transformers that AutoAWQ 0.2.9 imports with; AutoAWQ itself without its Triton kernels.
NEEDS = ("torch", "transformers==4.51.3", "numpy<2.3", "accelerate", "datasets>=2.20", "zstandard")
INSIDE = Path(__file__).with_name("autoawq_quantize.py")


def environment() -> Path:
    """The Python of AutoAWQ's environment, made on the first call."""
    python = OUT / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", OUT / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *NEEDS], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "autoawq==0.2.9"], check=True)
    return python


def check_packing(python: Path) -> None:
    """Raise unless our packing of AutoAWQ's integers equals AutoAWQ's, byte for byte."""
    subprocess.run([python, "-W", "ignore", INSIDE, "--linear", OUT / "linear.safetensors"], check=True)
    check_linear(OUT / "linear.safetensors")


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


def quantize_ours(checkpoint: Path, samples: torch.Tensor, output: Path, group_size: int, method: str) -> None:
    """Quantise everything but the head, searching on all calibration tokens as AutoAWQ does."""
    model = AutoAWQForCausalLM.from_pretrained(checkpoint)
    budget = {"max_calib_samples": len(samples), "max_calib_seq_len": samples.shape[1]}
    config = {"q_group_size": group_size}
    calibration: dict[str, Any] = {"calib_data": samples.tolist(), "max_search_tokens": samples.numel(), **budget}
    model.quantize(object(), config, **calibration, method=method)
    model.save_quantized(output)


def main() -> None:
    """Read the command line, quantise four times, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--group-size", type=int, default=128)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--length", type=int, default=256)
    args = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    python = environment()
    check_packing(python)
    tokenizer = AutoTokenizer.from_pretrained(args.checkpoint)
    samples = calibration_samples(None, tokenizer, args.samples, args.length, len(tokenizer))
    (OUT / "tokens.json").write_text(json.dumps(samples.tolist()), encoding="utf-8")
    folders = {name: OUT / name for name in ("rtn", "autoawq-float16", "autoawq-float32", "awq")}
    for name, folder in folders.items():
        shutil.rmtree(folder, ignore_errors=True)
        if name.startswith("autoawq"):
            dtype = name.removeprefix("autoawq-")
            command = [args.checkpoint, OUT / "tokens.json", folder, str(args.group_size), dtype]
            subprocess.run([python, "-W", "ignore", INSIDE, *command], check=True)
        else:
            quantize_ours(args.checkpoint, samples, folder, args.group_size, name)
    check_tensors(folders["awq"], folders["autoawq-float16"])
    print("packing and stored tensors are AutoAWQ's")
    reference, ids = load_dequantized(args.checkpoint), tokens_of(tokenizer, HELD_OUT)
    print(f"{'':18}perplexity  KL (nats)  same top-1")
    for name in ("float", *folders):
        found = score(reference if name == "float" else load_dequantized(folders[name]), reference, ids)
        print(f"{name:18}{found.perplexity:10.3f}{found.divergence:11.5f}{found.agreement:12.1%}")


if __name__ == "__main__":
    main()
