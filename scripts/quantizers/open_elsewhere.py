"""Open what we write in vLLM on the CPU and in transformers, and compare the greedy tokens with the float32 judge's.

    python scripts/quantizers/open_elsewhere.py [--checkpoint models/tyllm-7m] [--method awq]

Folders in both formats, the output projection quantized and not, are opened each by vLLM and by transformers in
environments of their own. The judge is Hugging Face's model on the multiplied-out weights in float32. Where tokens
differ, the first difference of each prompt is shown as the gap between the judge's best logit and that of the token
chosen instead: rounding to float16 decides ties. The command fails unless vLLM opens all and differs at ties alone.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from environments import ToolError, make_environment, python
from judge import HELD_OUT, tokens_of
from places import DRIVERS, LOGS, MADE, QUANTIZED, TRAINED
from quantizing import environment, last_json
from transformers import AutoTokenizer

from awq import AutoAWQForCausalLM
from awq.stream.dequantize import load_dequantized

PROMPTS, PROMPT, NEW = 4, 24, 32  # how many, tokens of each, tokens that follow
APART = 997  # tokens between the starts of two prompts in the held-out text
TIE = 0.05  # nats between two logits that float16 arithmetic may swap
# vLLM 0.32.0 has no float32 here: it refuses it for AWQ, and its 4-bit kernel for the CPU is not written for it.
OPENERS = (("vllm", "float16"), ("vllm", "bfloat16"), ("transformers", "float16"), ("transformers", "float32"))
ERROR = re.compile(r"Value error, [^\[]+|\b(?!Validation)\w+Error: .+")
VARIABLES = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}


@dataclass(frozen=True)
class Opened:
    """How the opener's tokens compare with the judge's: `gaps` of the first differences, or why there are no tokens."""

    folder: str
    opener: str
    dtype: str
    same: int = 0
    gaps: tuple[float, ...] = ()
    logprobs_apart: float = 0.0
    note: str = ""
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing differs but at ties."""
        return not self.error and all(gap <= TIE for gap in self.gaps)


def make_folders(checkpoint: Path, method: str) -> dict[str, Path]:
    """Quantized folders by name, made anew; the second format holds the same codes as the first."""
    folders = {}
    for form in ("awq", "compressed-tensors"):
        for head in (False, True):
            name = f"{form}{', head' if head else ''}"
            folders[name] = QUANTIZED / "open" / name.replace(", ", "-")
            shutil.rmtree(folders[name], ignore_errors=True)
            model = AutoAWQForCausalLM.from_pretrained(checkpoint, device_map="cpu")
            model.quantize(None, {"lm_head_enable": head}, method=method, format=form)
            model.save_quantized(folders[name])
    return folders


def prompts_of(checkpoint: Path) -> torch.Tensor:
    """(PROMPTS, PROMPT) token ids from the held-out text."""
    ids = tokens_of(AutoTokenizer.from_pretrained(checkpoint), HELD_OUT)
    return torch.stack([ids[start : start + PROMPT] for start in range(0, PROMPTS * APART, APART)])


def opened(name: str, folder: Path, opener: str, dtype: str, prompts: torch.Tensor) -> Opened:
    """The opener's continuation beside the judge's."""
    try:
        found = continued(folder, opener, dtype, prompts)
    except ToolError as failure:
        return Opened(name, opener, dtype, error=str(failure))
    tokens, logprobs = torch.tensor(found["tokens"]), torch.tensor(found["logprobs"])
    judged = judge_logits(load_dequantized(folder), prompts, tokens)
    return compared(Opened(name, opener, dtype, note=found.get("note", "")), judged, tokens, logprobs)


def continued(folder: Path, opener: str, dtype: str, prompts: torch.Tensor) -> dict[str, Any]:
    """What the opener's driver prints; raises `ToolError`."""
    file, log = MADE / "prompts.json", LOGS / f"open-{folder.name}-{opener}-{dtype}.log"
    file.write_text(json.dumps(prompts.tolist()), encoding="utf-8")
    command = [python(opener), "-W", "ignore", DRIVERS / f"drive_{opener}.py", folder, dtype, file, str(NEW)]
    with log.open("wb") as output:
        status = subprocess.run(command, stdout=output, stderr=output, env=environment(2) | VARIABLES).returncode
    if status:
        raise ToolError(reason(log))
    return last_json(log)


def reason(log: Path) -> str:
    """The error that a log names first, without what was printed before it in the line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    named = [found[0] for line in lines if (found := ERROR.search(line))]
    return f"{(named or lines)[0]} (see {log.name})"


@torch.no_grad()
def judge_logits(model: Any, prompts: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """(PROMPTS, NEW, vocabulary) log-probabilities before each of `tokens`, which the opener chose."""
    logits = model(torch.cat([prompts, tokens], 1)).logits[:, prompts.shape[1] - 1 : -1]
    return logits.float().log_softmax(-1)


def compared(opened: Opened, judged: torch.Tensor, tokens: torch.Tensor, logprobs: torch.Tensor) -> Opened:
    """`opened` with the comparison.

    Up to the first difference both went on from the same text, and there the judge's own greedy choice is known; what
    comes after it is not counted.

    Args:
        opened: folder, opener and type.
        judged: (prompts, new, vocabulary) the judge's log-probabilities.
        tokens: (prompts, new) what the opener chose.
        logprobs: (prompts, new) the opener's log-probability of each.
    """
    best = judged.max(-1)
    mine = judged.gather(-1, tokens[..., None])[..., 0]
    differs = (best.indices != tokens).int()
    before = differs.cumsum(1) == 0
    first = [int(row.argmax()) for row in differs]
    gaps = tuple(float(best.values[i, j] - mine[i, j]) for i, j in enumerate(first) if differs[i, j])
    apart = float(((logprobs - mine).abs() * before).max())
    return Opened(opened.folder, opened.opener, opened.dtype, int(before.sum()), gaps, apart, opened.note)


def markdown(results: Sequence[Opened]) -> str:
    """A table, a row for each folder and opener."""
    rows = [
        "| folder | opened by | same greedy tokens | gaps where not | log-probabilities apart | |",
        "|---|---|---:|---|---:|---|",
    ]
    for found in results:
        figures = ["–"] * 3
        if not found.error:
            gaps = ", ".join(f"{gap:.4f}" for gap in found.gaps) or "none"
            figures = [f"{found.same} of {PROMPTS * NEW}", gaps, f"{found.logprobs_apart:.4f}"]
        cells = [found.folder, f"{found.opener} {found.dtype}", *figures, found.error or found.note]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> int:
    """Make the folders, open them, print the table; 1 unless vLLM opens all in one type at least."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=TRAINED)
    parser.add_argument("--method", default="awq")
    parser.add_argument("--openers", nargs="+", choices=["vllm", "transformers"], default=["vllm", "transformers"])
    given = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
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


if __name__ == "__main__":
    sys.exit(main())
