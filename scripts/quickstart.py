"""What `make quickstart` runs: the small trained model quantised, compiled for two dies, compared and let speak.

python scripts/quickstart.py [--tokens 4096] [--model CHECKPOINT]

Leaves in out/quickstart the AWQ checkpoint (awq), the one rounded to nearest (rtn), and the package that `tyllm chat`
opens (2die). All figures come from compiled packages on this machine.
"""

import argparse
import math
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from awq import AutoAWQForCausalLM
from tyllm.build_util import build_and_compile_llm
from tyllm.cli.output import size
from tyllm.cli.progress import progress
from tyllm.runtime import Session

MODEL, HELD_OUT = Path("models/tyllm-7m"), Path("models/heldout.txt")
OUT = Path("out/quickstart")
QUANT_CONFIG = {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM", "lm_head_enable": True}
WINDOW = 512  # tokens scored together
DIES = 2
PROMPT = "The function returns"
QUESTION = "What is a list comprehension?"

console = Console(soft_wrap=True, highlight=False)


def quantise(model_path: Path, method: str) -> Path:
    """Quantise the linear layers, the output projection too."""
    output = OUT / method
    shutil.rmtree(output, ignore_errors=True)
    model = AutoAWQForCausalLM.from_pretrained(model_path, torch_dtype="float16")
    with progress(f"quantise, {method}") as report:
        model.quantize(quant_config=QUANT_CONFIG, method=method, quant_path=output, progress=report)
    model.save_quantized(output)
    return output


def compile_model(checkpoint: Path, package: Path) -> Path:
    """Compile for two dies."""
    with progress(f"compile {checkpoint.name}") as report:
        return build_and_compile_llm(
            model_path=checkpoint,
            artifacts_path=package,
            seq_len_list=[1, 8],
            dev_count=DIES,
            overwrite=True,
            progress=report,
        )


def perplexity(session: Session, tokens: Sequence[int], title: str) -> float:
    """Perplexity over disjoint windows of `tokens`; the first token of a window is not scored."""
    total, scored = 0.0, 0
    with progress(f"score, {title}") as report:
        for start in range(0, len(tokens), WINDOW):
            logprobs = session.score(tokens[start : start + WINDOW])
            total, scored = total - float(logprobs.sum()), scored + len(logprobs)
            report(start + WINDOW, len(tokens), "tokens")
    return math.exp(total / scored)


def weights_bytes(package: Path) -> int:
    """Bytes of the parameters of all dies."""
    return sum(path.stat().st_size for path in package.rglob("*.params"))


def compare(packages: dict[str, Path], count: int) -> None:
    """Print the table: perplexity on held-out text, size, speed, for each package."""
    table = Table("linear layers", "perplexity", "parameters", "prompt tokens/s", "new tokens/s")
    for title, package in packages.items():
        with Session(package) as session:
            tokens = session.tokenizer.encode(HELD_OUT.read_text(encoding="utf-8"))[:count]
            tokens = tokens[: len(tokens) // WINDOW * WINDOW]
            value = perplexity(session, tokens, title)
            timings = session.generate(tokens[:WINDOW], max_new_tokens=128, ignore_eos=True).timings
        speeds = f"{timings.prompt_tokens_per_second:.0f}", f"{timings.decode_tokens_per_second:.0f}"
        table.add_row(title, f"{value:.3f}", size(weights_bytes(package)), *speeds)
    console.print(f"\nOn {len(tokens)} tokens of {HELD_OUT}, which the model never saw; {DIES} dies, this machine;")
    console.print("RTN rounds the weights to the nearest INT4 value, AWQ is what was just done:")
    console.print(table)


def speak(package: Path) -> None:
    """Print a continuation and an answer."""
    with Session(package) as session:
        console.print(f"\n[bold]{PROMPT}[/]", end="")
        for piece in session.generate(PROMPT, max_new_tokens=48, repetition_penalty=1.1, stream=True):
            console.print(piece, end="", markup=False)
        console.print(f"\n\n[bold]> {QUESTION}[/]")
        for piece in session.chat([{"role": "user", "content": QUESTION}], max_new_tokens=64, stream=True):
            console.print(piece, end="", markup=False)
        console.print()


def main() -> None:
    """Quantise, compile, speak, compare, and say what to do next; paths count from the repository's root."""
    os.chdir(Path(__file__).resolve().parents[1])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=4096, help="held-out tokens to score")
    parser.add_argument("--model", type=Path, default=MODEL, help="the checkpoint")
    given = parser.parse_args()
    started = time.monotonic()
    console.print(f"Quantising {given.model} to INT4 with AWQ, and by plain rounding to compare …")
    awq, rtn = quantise(given.model, "awq"), quantise(given.model, "rtn")
    console.print(f"Compiling for {DIES} dies …")
    package = compile_model(awq, OUT / f"{DIES}die")
    others = {"float16": given.model, "INT4 RTN": rtn}
    packages = {title: compile_model(path, OUT / "compared" / path.name) for title, path in others.items()}
    speak(package)
    compare({**packages, "INT4 AWQ": package}, given.tokens)
    console.print(f"Done in {time.monotonic() - started:.0f} s. Now talk to it:")
    console.print(f"\n    .venv/bin/tyllm chat {package}\n", markup=False)


if __name__ == "__main__":
    main()
