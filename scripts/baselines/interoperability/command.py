"""Open what we write in vLLM on the CPU and in transformers, and compare the greedy tokens with the float32 judge's.

Folders in both formats, the output projection quantized and not, are opened each by vLLM and by transformers in
environments of their own. The judge is Hugging Face's model on the dequantized weights in float32. Where tokens
differ, the first difference of each prompt is shown as the gap between the judge's best logit and that of the token
chosen instead: rounding to float16 decides ties. The command fails unless vLLM opens all and differs at ties alone.
"""

import argparse
import shutil
from pathlib import Path

import torch
from baselines.harness.environments import make_environment
from baselines.interoperability.comparison import markdown
from baselines.interoperability.openers import FOLDER, OPENERS, opened
from baselines.quantization.checkpoints import TRAINED
from measure import HELD_OUT, tokens_of
from transformers import AutoTokenizer

from awq import AutoAWQForCausalLM

PROMPTS, PROMPT = 4, 24  # how many, tokens of each
APART = 997  # tokens between the starts of two prompts in the held-out text


def make_folders(checkpoint: Path, method: str) -> dict[str, Path]:
    """Quantized folders by name, made anew; the second format holds the same codes as the first."""
    folders = {}
    for form in ("awq", "compressed-tensors"):
        for head in (False, True):
            name = f"{form}{', head' if head else ''}"
            folders[name] = FOLDER / name.replace(", ", "-")
            shutil.rmtree(folders[name], ignore_errors=True)
            model = AutoAWQForCausalLM.from_pretrained(checkpoint, device_map="cpu")
            model.quantize(None, {"lm_head_enable": head}, method=method, format=form)
            model.save_quantized(folders[name])
    return folders


def prompts_of(checkpoint: Path) -> torch.Tensor:
    """(PROMPTS, PROMPT) token ids from the held-out text."""
    ids = tokens_of(AutoTokenizer.from_pretrained(checkpoint), HELD_OUT)
    return torch.stack([ids[start : start + PROMPT] for start in range(0, PROMPTS * APART, APART)])


def main() -> int:
    """Make the folders, open them, print the table; 1 unless vLLM opens all in one type at least."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=TRAINED)
    parser.add_argument("--method", default="awq")
    parser.add_argument("--openers", nargs="+", choices=["vllm", "transformers"], default=["vllm", "transformers"])
    given = parser.parse_args()
    for opener in given.openers:
        make_environment(opener)
    folders, prompts = make_folders(given.checkpoint, given.method), prompts_of(given.checkpoint)
    results = [
        opened(name, folder, opener, dtype, prompts)
        for name, folder in folders.items()
        for opener, dtype in OPENERS
        if opener in given.openers
    ]
    print(markdown(results))
    by_vllm = {name: [r for r in results if r.folder == name and r.opener == "vllm"] for name in folders}
    return int("vllm" in given.openers and not all(any(r.passed for r in own) for own in by_vllm.values()))
