"""Runs a quantizer's driver as a process of its own and measures it."""

import shutil
from dataclasses import replace
from pathlib import Path

from baselines.harness.driver_process import run_driver
from baselines.harness.environments import make_environment
from baselines.harness.paths import MADE
from baselines.harness.steps import StepError
from baselines.quantization.outcomes import Outcome
from baselines.quantization.quantizers import Quantizer

QUANTIZED = MADE / "quantization" / "quantized"


def output_folder(outcome: Outcome) -> Path:
    """The folder that a quantizer writes."""
    head = "-head" if outcome.head else ""
    return QUANTIZED / f"{outcome.model}-{outcome.layers}" / f"{outcome.tool}{head}"


def thread_variables(threads: int) -> dict[str, str]:
    """Environment variables for so many threads, which sleep while they wait; nothing is downloaded."""
    offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    return offline | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}


def quantize(
    quantizer: Quantizer, checkpoint: Path, tokens: Path, planned: Outcome, group_size: int, threads: int
) -> Outcome:
    """`planned` with the quantizer's cost, or with the reason why it failed.

    Args:
        quantizer: the program to run; its environment is made if it is missing.
        checkpoint: the float folder.
        tokens: calibration tokens, a JSON list of lists.
        planned: model, quantizer and head; says where the result goes.
        group_size: inputs that share a scale.
        threads: that the quantizer may use.
    """
    folder = output_folder(planned)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    words = [checkpoint, tokens, folder, "--group-size", group_size, "--settings", quantizer.settings]
    words += ["--head"] if planned.head else []
    try:
        make_environment(quantizer.environment)
        return measured([*quantizer.command(), *words], planned, folder, threads)
    except StepError as failure:
        return replace(planned, error=str(failure))


def measured(command: list[object], planned: Outcome, folder: Path, threads: int) -> Outcome:
    """`planned` with what the command cost and wrote to `folder`; raises `StepError`."""
    result = run_driver(command, f"{folder.parent.name}-{folder.name}", thread_variables(threads))
    return replace(
        planned,
        cpu=result.answer["cpu"],
        process_cpu=result.cpu,
        wall=result.wall,
        peak_rss=result.answer["peak_rss"],
        size=sum(file.stat().st_size for file in folder.glob("*.safetensors")),
    )
