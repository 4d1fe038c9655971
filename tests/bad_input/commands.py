"""The commands that meet bad input, and the comparison of how they end with what a row of a table says."""

import re
from dataclasses import dataclass

COMPILE = ("compile", "{checkpoint}", "{output}", "--max-kv-cache-size", "64")
QUANTIZE = ("quantize", "{checkpoint}", "{output}", "--method", "rtn", "--group-size", "32")
RUN = ("run", "{package}", "Hello", "--max-new-tokens", "2")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    sentence: str


def agrees(ended, code, sentence, **folders):
    """Whether a command ended as a row says."""
    for name, folder in folders.items():
        sentence = sentence.replace(f"{{{name}}}", str(folder))
    pattern = ".*".join(re.escape(part) for part in sentence.split("…"))
    assert re.fullmatch(pattern, ended.sentence), ended.sentence
    assert ended.code == code


def fill(arguments, **folders):
    return [argument.format(**folders) for argument in arguments]
