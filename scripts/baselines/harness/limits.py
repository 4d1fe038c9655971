"""The limits of this machine: bytes read and operations done per second, measured by two small C programs."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from baselines.harness.paths import BASELINES, MADE
from baselines.harness.steps import StepError, clean_environment, make, run

from tyllm_base.machine import c_compiler

READ = "read"
ARITHMETIC = {"vpdpbusd": "int8 vpdpbusd", "fp32": "fp32 FMA", "amx_int8": "int8 AMX", "amx_bf16": "bf16 AMX"}
ABSENT = 3  # exit status of a kind that the machine has not


def build_probes() -> tuple[Path, Path]:
    """The probes for reading and for arithmetic, compiled for this machine; raises `StepError`."""
    compiler = c_compiler()
    if compiler is None:
        raise StepError("No C compiler found: install gcc.")

    def compiled(name: str) -> Path:
        target, source = MADE / name, BASELINES / "harness" / f"{name}.c"
        flags = ["-O3", "-march=native", "-pthread", source, "-o"]
        if target.exists() and target.stat().st_mtime < source.stat().st_mtime:
            target.unlink()
        return make(target, f"the probe {name}", lambda part: run([compiler, *flags, part], "limits"))

    return compiled("read_bandwidth"), compiled("peak_arithmetic")


def measured(command: Iterable[str | Path]) -> float | None:
    """The rate that a probe prints; None where the machine has no such instruction."""
    words = [str(word) for word in command]
    result = subprocess.run(words, capture_output=True, text=True, env=clean_environment())
    if result.returncode == ABSENT:
        return None
    if result.returncode:
        raise StepError(f"{words[0]} ended with status {result.returncode}")
    return float(result.stdout)


def measure_limits(threads: int) -> dict[str, float]:
    """Bytes per second under "read", operations per second under the names of `ARITHMETIC` that the machine has."""
    reading, arithmetic = build_probes()
    rates = {READ: measured([reading, str(threads)])}
    rates |= {kind: measured([arithmetic, kind, str(threads)]) for kind in ARITHMETIC}
    return {kind: rate for kind, rate in rates.items() if rate is not None}
