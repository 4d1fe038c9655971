"""Programs that open our folders: each goes on greedily from the prompts, in an environment of its own."""

import json
import re
from pathlib import Path
from typing import Any

import torch
from baselines.harness.driver_process import DriverError, run_driver
from baselines.harness.environments import python
from baselines.harness.paths import BASELINES, MADE
from baselines.harness.steps import StepError
from baselines.interoperability.comparison import Comparison, compared, judge_logits
from baselines.quantization.measure import thread_variables

from awq.stream.dequantize import load_dequantized

FOLDER = MADE / "interoperability"
NEW = 32  # tokens that follow a prompt
# vLLM 0.32.0 has no float32 here: it refuses it for AWQ, and its 4-bit kernel for the CPU is not written for it.
OPENERS = (("vllm", "float16"), ("vllm", "bfloat16"), ("transformers", "float16"), ("transformers", "float32"))
ERROR = re.compile(r"Value error, [^\[]+|\b(?!Validation)\w+Error: .+")
VARIABLES = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}


def opened(name: str, folder: Path, opener: str, dtype: str, prompts: torch.Tensor) -> Comparison:
    """The opener's continuation beside the judge's."""
    try:
        found = continued(folder, opener, dtype, prompts)
    except StepError as failure:
        return Comparison(name, opener, dtype, error=str(failure))
    tokens, logprobs = torch.tensor(found["tokens"]), torch.tensor(found["logprobs"])
    judged = judge_logits(load_dequantized(folder), prompts, tokens)
    return compared(Comparison(name, opener, dtype, note=found.get("note", "")), judged, tokens, logprobs)


def continued(folder: Path, opener: str, dtype: str, prompts: torch.Tensor) -> dict[str, Any]:
    """The answer of the opener's driver: "tokens" and "logprobs" of each prompt; raises `StepError`."""
    file = FOLDER / "prompts.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(prompts.tolist()), encoding="utf-8")
    driver = BASELINES / "interoperability" / "drivers" / f"drive_{opener}.py"
    command = [python(opener), "-W", "ignore", driver, folder, dtype, file, NEW]
    try:
        return run_driver(command, f"open-{folder.name}-{opener}-{dtype}", thread_variables(2) | VARIABLES).answer
    except DriverError as failure:
        raise StepError(first_error(failure.log)) from failure


def first_error(log: Path) -> str:
    """The error that a log names first, without what was printed before it in the line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    named = [found[0] for line in lines if (found := ERROR.search(line))]
    return f"{(named or lines)[0]} (see {log.name})"
