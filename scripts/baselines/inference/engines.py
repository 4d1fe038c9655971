"""The engines that are compared: which environment and driver, which conversion."""

from dataclasses import dataclass
from pathlib import Path

from baselines.harness.paths import BASELINES, MADE
from baselines.harness.program import Program
from baselines.inference.llama_cpp import VARIABLES

MODELS = MADE / "inference" / "models"


@dataclass(frozen=True)
class Engine(Program):
    """An engine with one way of storing the model; `file` is the model within its folder, where it is one file."""

    file: str = ""

    drivers = BASELINES / "inference" / "drivers"

    def model(self, shape: str) -> Path:
        """The converted model, a folder or a file."""
        return MODELS / shape / self.name / self.file if self.file else MODELS / shape / self.name

    def variables(self) -> dict[str, str]:
        """Environment variables that the driver needs."""
        return VARIABLES if self.environment == "llama.cpp" else {}


ENGINES = (
    Engine("tyllm", "TyLLM int4 g128", "tyllm"),
    Engine("openvino", "OpenVINO GenAI int4 g128", "openvino", "openvino"),
    Engine("openvino-all", "OpenVINO GenAI int4 g128 --all-layers", "openvino", "openvino"),
    Engine("onnxruntime", "ONNX Runtime GenAI int4 b128", "onnxruntime", "onnxruntime"),
    Engine("llama.cpp-q4_0", "llama.cpp Q4_0", "llama_cpp", "llama.cpp", "model.gguf"),
    Engine("llama.cpp-q4_k_m", "llama.cpp Q4_K_M", "llama_cpp", "llama.cpp", "model.gguf"),
)
