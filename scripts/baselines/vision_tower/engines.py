"""The programs whose vision towers are compared: form of the tower, environment, driver."""

from dataclasses import dataclass

from baselines.harness.paths import BASELINES
from baselines.harness.program import Program


@dataclass(frozen=True)
class TowerEngine(Program):
    """A program with one way of running the tower.

    Attributes:
        form: as in tower_forms.py, for a tower that is converted.
        variant: the form and types that the driver is told to run, where it knows several.
        int8: whether it rounds weights and activations to 8 bits, which the others do not.
        on_demand: whether it starts so slowly that it is measured only when it is named.
    """

    form: str = ""
    variant: str = ""
    int8: bool = False
    on_demand: bool = False

    drivers = BASELINES / "vision_tower" / "drivers"


def openvino(form: str, what: str, *, on_demand: bool = False) -> TowerEngine:
    """OpenVINO on a form."""
    title = f"OpenVINO bf16, {what}"
    return TowerEngine(f"openvino-{form}", title, "openvino", "openvino", form, on_demand=on_demand)


def onnxruntime(form: str, what: str, *, int8: bool = False) -> TowerEngine:
    """ONNX Runtime on a form."""
    kind = "int8" if int8 else "fp32"
    name = f"onnxruntime-{form}{'-int8' if int8 else ''}"
    return TowerEngine(name, f"ONNX Runtime {kind}, {what}", "onnxruntime", "onnxruntime", form, int8=int8)


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
