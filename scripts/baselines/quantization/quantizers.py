"""The quantizers that are compared: which environment, which driver, which settings."""

from dataclasses import dataclass
from pathlib import Path

from baselines.harness.paths import BASELINES
from baselines.harness.program import Program


@dataclass(frozen=True)
class Quantizer(Program):
    """A quantizer with one way of running it.

    Attributes:
        settings: the driver's --settings.
        does_head: whether it can quantize the output projection too.
    """

    settings: str = ""
    does_head: bool = True

    drivers = BASELINES / "quantization" / "drivers"

    def command(self) -> list[str | Path]:
        """Interpreter and driver; the programs' warnings are left out."""
        interpreter, driver = super().command()
        return [interpreter, "-W", "ignore", driver]


QUANTIZERS = (
    Quantizer("rtn", "round to nearest", "tyllm", settings="rtn"),
    Quantizer("autoawq-float16", "AutoAWQ 0.2.9, patched, float16", "autoawq", "autoawq", "float16", does_head=False),
    Quantizer("autoawq-float32", "AutoAWQ 0.2.9, patched, float32", "autoawq", "autoawq", "float32", does_head=False),
    Quantizer("llmc-gptq", "llm-compressor 0.14.0.1 GPTQ", "llm_compressor", "llm-compressor", "gptq"),
    Quantizer("llmc-awq", "llm-compressor AWQ, patched", "llm_compressor", "llm-compressor", "awq"),
    Quantizer("llmc-awq-gptq", "llm-compressor AWQ + GPTQ, patched", "llm_compressor", "llm-compressor", "awq+gptq"),
    Quantizer("awq", "TyLLM method=awq", "tyllm", settings="awq"),
    Quantizer("tyllm", "TyLLM method=tyllm", "tyllm", settings="tyllm"),
)
