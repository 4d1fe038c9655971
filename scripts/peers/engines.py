"""The engines that are compared: which environment and driver, which conversion."""

import sys
from dataclasses import dataclass
from pathlib import Path

from environments import python
from places import DRIVERS, LLAMA_VARIABLES, MODELS


@dataclass(frozen=True)
class Engine:
    """An engine with one way of storing the model.

    Attributes:
        name: its folder, and its name on the command line.
        title: its name in tables.
        driver: the file drive_`driver`.py.
        environment: the virtual environment; empty for the one that runs this.
        file: the model within its folder, where it is one file.
    """

    name: str
    title: str
    driver: str
    environment: str = ""
    file: str = ""

    def model(self, shape: str) -> Path:
        """The converted model, a folder or a file."""
        return MODELS / shape / self.name / self.file if self.file else MODELS / shape / self.name

    def command(self) -> list[Path]:
        """Interpreter and driver."""
        interpreter = python(self.environment) if self.environment else Path(sys.executable)
        return [interpreter, DRIVERS / f"drive_{self.driver}.py"]

    def variables(self) -> dict[str, str]:
        """Environment variables that the driver needs."""
        return LLAMA_VARIABLES if self.environment == "llama.cpp" else {}

    @property
    def is_ours(self) -> bool:
        """Whether it is TyLLM."""
        return not self.environment


ENGINES = (
    Engine("tyllm", "TyLLM int4 g128", "tyllm"),
    Engine("openvino", "OpenVINO GenAI int4 g128", "openvino", "openvino"),
    Engine("openvino-all", "OpenVINO GenAI int4 g128 --all-layers", "openvino", "openvino"),
    Engine("onnxruntime", "ONNX Runtime GenAI int4 b128", "onnxruntime", "onnxruntime"),
    Engine("llama.cpp-q4_0", "llama.cpp Q4_0", "llama_cpp", "llama.cpp", "model.gguf"),
    Engine("llama.cpp-q4_k_m", "llama.cpp Q4_K_M", "llama_cpp", "llama.cpp", "model.gguf"),
)
