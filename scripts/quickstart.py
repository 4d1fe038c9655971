"""Quantize the small trained model, compile it for two dies, run it, and compare (`make quickstart`).

python scripts/quickstart.py [--tokens 2048] [--model CHECKPOINT]

The comparison is made twice: for the model as it is, and for its outlier variant (models/plant_outliers.py), the
same function with a few large channels, as large models have them. Everything lies in out/quickstart; the package that
`tyllm chat` opens is out/quickstart/2die. All figures come from packages compiled here, on this machine.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from awq import AutoAWQForCausalLM
from tyllm.build_util import build_and_compile_llm
from tyllm.cli.quantities import byte_size
from tyllm.evaluate import evaluate
from tyllm.evaluate.text_windows import HELD_OUT
from tyllm.progress_bar import progress_bar
from tyllm.runtime import Session
from tyllm.runtime.generation.result import Timings

MODEL = Path("models/tyllm-7m")
WINDOW = 512  # tokens, as the model was trained
DECODED_TOKENS = 128  # tokens decoded to measure the speed
OUT = Path("out/quickstart")
QUANT_CONFIG = {"zero_point": True, "q_group_size": 128, "w_bit": 4, "version": "GEMM", "lm_head_enable": True}
DIES = 2
PROMPT = "The function returns"
QUESTION = "What is a list comprehension?"

console = Console(soft_wrap=True, highlight=False)


def planted(model_path: Path) -> Path:
    """The outlier variant of a checkpoint."""
    output = OUT / "planted"
    shutil.rmtree(output, ignore_errors=True)
    subprocess.run([sys.executable, "models/plant_outliers.py", model_path, output], check=True)
    return output


def quantize(model_path: Path, method: str) -> Path:
    """Quantize the linear layers, the output projection too, beside the checkpoint's other versions."""
    output = OUT / f"{model_path.name}-{method}"
    shutil.rmtree(output, ignore_errors=True)
    model = AutoAWQForCausalLM.from_pretrained(model_path, torch_dtype="float16")
    with progress_bar(f"quantize {model_path.name}, {method}") as report:
        model.quantize(quant_config=QUANT_CONFIG, method=method, quant_path=output, progress=report)
    model.save_quantized(output)
    return output


def compile_model(checkpoint: Path, package: Path | None = None) -> Path:
    """Compile for two dies."""
    with progress_bar(f"compile {checkpoint.name}") as report:
        return build_and_compile_llm(
            model_path=checkpoint,
            artifacts_path=package or OUT / "compared" / checkpoint.name,
            seq_len_list=[1, 8],
            dev_count=DIES,
            overwrite=True,
            progress=report,
        )


def speak(package: Path) -> None:
    """Print a continuation and an answer."""
    with Session(package) as session:
        console.print(f"\n[bold]{PROMPT}[/]", end="")
        for piece in session.generate(PROMPT, max_new_tokens=48, repetition_penalty=1.1, stream=True):
            console.print(piece, end="", markup=False)
        console.print(f"\n\n[bold]> {QUESTION}[/]")
        for piece in session.chat([{"role": "user", "content": QUESTION}], max_new_tokens=64, stream=True):
            console.print(piece, end="", markup=False)
        console.print("\n")


def compare(title: str, packages: dict[str, Path], count: int) -> None:
    """Print a table of packages of one model; the first is what the others are compared with."""
    columns = ("perplexity", "KL", "same top-1", "size", "prompt tok/s", "new tok/s")
    table = Table("", *columns, title=title, title_justify="left", box=SIMPLE, padding=(0, 1), pad_edge=False)
    reference = next(iter(packages.values()))
    for name, package in packages.items():
        with progress_bar(f"score {name}") as report:
            found = evaluate(package, reference, window=WINDOW, max_tokens=count, progress=report)
        assert found.closeness is not None
        speed = speed_of(package)
        table.add_row(
            name,
            f"{found.quality.perplexity.value:.3f}",
            f"{found.closeness.divergence.value:.4f}",
            f"{found.closeness.agreement.value:.1%}",
            byte_size(sum(path.stat().st_size for path in package.rglob("*.params"))),
            f"{speed.prompt_tokens_per_second:.0f}",
            f"{speed.decode_tokens_per_second:.0f}",
        )
    console.print(table)


def speed_of(package: Path) -> Timings:
    """The speed of a prompt of `WINDOW` tokens and of the text after it."""
    with Session(package) as session:
        prompt = session.tokenizer.encode(HELD_OUT.read_text(encoding="utf-8"))[:WINDOW]
        return session.generate(prompt, max_new_tokens=DECODED_TOKENS, ignore_eos=True, temperature=0).timings


def main() -> None:
    """Quantize, compile, speak, compare, and say what to do next; paths count from the repository's root."""
    os.chdir(Path(__file__).resolve().parents[1])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=2048, help="held-out tokens to predict")
    parser.add_argument("--model", type=Path, default=MODEL, help="the checkpoint")
    given = parser.parse_args()
    started = time.monotonic()
    console.print(f"Quantizing {given.model} (INT4, lm_head too) and compiling it for {DIES} dies …")
    package = compile_model(quantize(given.model, "tyllm"), OUT / f"{DIES}die")
    speak(package)
    console.print("Comparing with float16 and with rounding to nearest (RTN), there and in the outlier variant …")
    variant = planted(given.model)
    packages = {"float16": compile_model(given.model), "RTN": compile_model(quantize(given.model, "rtn"))}
    variants = {"RTN": compile_model(quantize(variant, "rtn")), "TyLLM": compile_model(quantize(variant, "tyllm"))}
    title = f"{given.model.name}, {given.tokens} held-out tokens, {DIES} dies"
    compare(title, {**packages, "TyLLM": package}, given.tokens)
    compare("its outlier variant, the same function", {"float16": packages["float16"], **variants}, given.tokens)
    console.print("KL: divergence from float16, nats a token; same top-1: the likeliest token is float16's.")
    console.print(f"Done in {time.monotonic() - started:.0f} s. Now talk to it:")
    console.print(f"\n    .venv/bin/tyllm chat {package}\n", markup=False)


if __name__ == "__main__":
    main()
