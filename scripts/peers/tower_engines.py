"""The programs whose vision towers are compared: form of the tower, environment, driver."""

import sys
from dataclasses import dataclass
from pathlib import Path

from environments import python
from places import DRIVERS


@dataclass(frozen=True)
class TowerEngine:
    """A program with one way of running the tower.

    Attributes:
        name: its folder, and its name on the command line.
        title: its name in tables.
        family: the file drive_tower_`family`.py.
        form: as in drivers/tower.py, for what is converted.
        variant: what the driver is told to run.
        environment: the virtual environment; empty for the one that runs this.
        int8: whether it rounds weights and activations to 8 bits, which the others do not.
        on_demand: whether it starts so slowly that it is measured only when it is named.
    """

    name: str
    title: str
    family: str
    form: str = ""
    variant: str = ""
    environment: str = ""
    int8: bool = False
    on_demand: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether it is TyLLM."""
        return self.family == "tyllm"

    def command(self) -> list[Path]:
        """Interpreter and driver."""
        interpreter = python(self.environment) if self.environment else Path(sys.executable)
        return [interpreter, DRIVERS / f"drive_tower_{self.family}.py"]


def openvino(form: str, what: str, *, on_demand: bool = False) -> TowerEngine:
    """OpenVINO on a form."""
    title = f"OpenVINO bf16, {what}"
    return TowerEngine(f"openvino-{form}", title, "openvino", form, "", "openvino", on_demand=on_demand)


def onnxruntime(form: str, what: str, *, int8: bool = False) -> TowerEngine:
    """ONNX Runtime on a form."""
    kind = "int8" if int8 else "fp32"
    name = f"onnxruntime-{form}{'-int8' if int8 else ''}"
    return TowerEngine(name, f"ONNX Runtime {kind}, {what}", "onnxruntime", form, "", "onnxruntime", int8)


def torch(form: str, what: str, kind: str = "bfloat16", *, compiled: bool = False) -> TowerEngine:
    """PyTorch on a form, or on Hugging Face's own code."""
    name = f"torch-{form}{'-float32' if kind == 'float32' else ''}{'-compiled' if compiled else ''}"
    variant = f"{kind}:{form}{':compiled' if compiled else ''}"
    short = {"bfloat16": "bf16", "float32": "fp32"}[kind]
    title = f"PyTorch {short}, {what}{', torch.compile' if compiled else ''}"
    return TowerEngine(name, title, "torch", variant=variant, on_demand=compiled)


WINDOWS, BATCHED, MATMUL, MASKS = "a window at a time", "windows in batches", "windows in batches, MatMul", "masks"
ENGINES = (
    TowerEngine("tyllm", "TyLLM fp16 weights, bf16 products", "tyllm"),
    openvino("windows-sdpa", WINDOWS, on_demand=True),
    openvino("batched-sdpa", BATCHED),
    openvino("batched-matmul", MATMUL),
    openvino("masks-sdpa", MASKS),
    onnxruntime("batched-matmul", MATMUL),
    onnxruntime("batched-matmul", MATMUL, int8=True),
    torch("own", "Hugging Face's code", "float32"),
    torch("own", "Hugging Face's code"),
    torch("batched-sdpa", BATCHED),
    torch("batched-sdpa", BATCHED, compiled=True),
)
