"""Runs a tool's driver as a process of its own and measures it."""

import json
import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from environments import ToolError, make_environment
from outcomes import Outcome
from places import LOGS, QUANTIZED
from tools import Tool

# A value meant for the caller must not change how a tool runs.
UNWANTED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONPATH")


def output_folder(outcome: Outcome) -> Path:
    """Where a tool writes."""
    head = "-head" if outcome.head else ""
    return QUANTIZED / f"{outcome.model}-{outcome.layers}" / f"{outcome.tool}{head}"


def quantize(tool: Tool, checkpoint: Path, tokens: Path, planned: Outcome, group_size: int, threads: int) -> Outcome:
    """`planned` with what the tool cost, or with the reason why it failed.

    Args:
        tool: what to run; its environment is made if it is missing.
        checkpoint: the float folder.
        tokens: calibration tokens, a JSON list of lists.
        planned: model, tool and head; says where the result goes.
        group_size: inputs that share a scale.
        threads: that the tool may use.
    """
    folder = output_folder(planned)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    words = [checkpoint, tokens, folder, "--group-size", group_size, "--settings", tool.settings]
    words += ["--head"] if planned.head else []
    log = LOGS / f"{folder.parent.name}-{folder.name}.log"
    try:
        make_environment(tool.environment)
        return measured([str(word) for word in [*tool.command(), *words]], log, planned, folder, threads)
    except ToolError as failure:
        return replace(planned, error=str(failure))


def measured(command: list[str], log: Path, planned: Outcome, folder: Path, threads: int) -> Outcome:
    """Run the command; raises `ToolError`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment(threads))
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise ToolError(f"{last_line(log)} (status {process.returncode}, see {log.name})")
    told = last_json(log)
    return replace(
        planned,
        cpu=told["cpu"],
        process_cpu=usage.ru_utime + usage.ru_stime,
        wall=time.monotonic() - started,
        peak_rss=told["peak_rss"],
        size=sum(file.stat().st_size for file in folder.glob("*.safetensors")),
    )


def environment(threads: int) -> dict[str, str]:
    """This process's variables, with the number of threads; threads that wait sleep, and so cost nothing."""
    kept = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    return kept | offline | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}


def last_json(log: Path) -> dict[str, Any]:
    """The last line that is a JSON object: a driver's answer, whatever the tool writes after it."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    answer: dict[str, Any] = json.loads(next(line for line in reversed(lines) if line.startswith("{")))
    return answer


def last_line(log: Path) -> str:
    """The last line with anything in it."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no output"
