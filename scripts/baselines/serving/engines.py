"""The engines that are compared under load: which environment and driver, which model and version."""

import os
from dataclasses import dataclass
from pathlib import Path

from baselines.harness.environments import REQUIREMENTS
from baselines.harness.paths import BASELINES, MADE
from baselines.harness.program import Program
from baselines.inference import engines as inference
from baselines.inference.llama_cpp import PACKAGE, VARIABLES
from baselines.quantization.measure import thread_variables

MODELS = MADE / "serving" / "models"
VLLM = {"VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_NUM_OF_RESERVED_CPU": "0"}


@dataclass(frozen=True)
class ServingEngine(Program):
    """An engine that continues several requests together.

    Attributes:
        distribution: the package of PyPI whose version is told.
        same: the engine of the comparison of single requests whose model this one reads; empty for a model of its own.
    """

    distribution: str = ""
    same: str = ""

    drivers = BASELINES / "serving" / "drivers"

    def model(self, shape: str) -> Path:
        """The converted model, a folder or a file."""
        return inference_engine(self.same).model(shape) if self.same else MODELS / shape / self.name

    def variables(self, threads: int) -> dict[str, str]:
        """Environment variables that the driver needs."""
        if self.environment == "llama.cpp":
            return VARIABLES
        if self.environment == "vllm":
            cores = ",".join(str(core) for core in sorted(os.sched_getaffinity(0))[:threads])
            return thread_variables(threads) | VLLM | {"VLLM_CPU_OMP_THREADS_BIND": cores}
        return {}

    @property
    def version(self) -> str:
        """As in "vllm-cpu 0.32.0"; empty for ours."""
        pinned = [*REQUIREMENTS.get(self.environment, ()), PACKAGE]
        return next((name.replace("==", " ") for name in pinned if name.startswith(f"{self.distribution}==")), "")


def inference_engine(name: str) -> inference.Engine:
    """The engine of the comparison of single requests."""
    return next(engine for engine in inference.ENGINES if engine.name == name)


OURS = ServingEngine("tyllm", "TyLLM int4 g128", "tyllm")
ENGINES = (
    OURS,
    ServingEngine(
        "openvino", "OpenVINO GenAI int4 g128", "openvino", "openvino",
        distribution="openvino-genai", same="openvino",
    ),
    ServingEngine(
        "openvino-all", "OpenVINO GenAI int4 g128 --all-layers", "openvino", "openvino",
        distribution="openvino-genai", same="openvino-all",
    ),
    ServingEngine(
        "llama.cpp", "llama.cpp Q4_0", "llama_cpp", "llama.cpp",
        distribution="llama-cpp-python", same="llama.cpp-q4_0",
    ),
    ServingEngine("vllm", "vLLM AWQ int4 g128, bfloat16", "vllm", "vllm", distribution="vllm-cpu"),
)  # fmt: skip
