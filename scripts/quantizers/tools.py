"""The quantizers that are compared: which environment, which driver, which settings."""

from dataclasses import dataclass
from pathlib import Path

from environments import python
from places import DRIVERS


@dataclass(frozen=True)
class Tool:
    """A quantizer with one way of running it.

    Attributes:
        name: its name on the command line, and of its folders.
        title: its name in tables.
        driver: the file drive_`driver`.py.
        settings: the driver's --settings.
        environment: the virtual environment; empty for the one that runs this.
        does_head: whether it can quantize the output projection too.
    """

    name: str
    title: str
    driver: str
    settings: str
    environment: str = ""
    does_head: bool = True

    def command(self) -> list[str | Path]:
        """Interpreter and driver; the tools' warnings are left out."""
        return [python(self.environment), "-W", "ignore", DRIVERS / f"drive_{self.driver}.py"]


TOOLS = (
    Tool("rtn", "round to nearest", "ours", "rtn"),
    Tool("autoawq-float16", "AutoAWQ 0.2.9, mended, float16", "autoawq", "float16", "autoawq", does_head=False),
    Tool("autoawq-float32", "AutoAWQ 0.2.9, mended, float32", "autoawq", "float32", "autoawq", does_head=False),
    Tool("llmc-gptq", "llm-compressor 0.14.0.1 GPTQ", "llm_compressor", "gptq", "llm-compressor"),
    Tool("llmc-awq", "llm-compressor AWQ, mended", "llm_compressor", "awq", "llm-compressor"),
    Tool("llmc-awq-gptq", "llm-compressor AWQ + GPTQ, mended", "llm_compressor", "awq+gptq", "llm-compressor"),
    Tool("awq", "TyLLM method=awq", "ours", "awq"),
    Tool("tyllm", "TyLLM method=tyllm", "ours", "tyllm"),
)
