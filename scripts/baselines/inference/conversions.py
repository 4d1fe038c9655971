"""Makes the models: a checkpoint of random weights for each shape, and what each engine makes of it."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from baselines.harness.environments import make_environment, python
from baselines.harness.paths import BASELINES, MADE, MODEL_SCRIPTS
from baselines.harness.steps import make, remove, run
from baselines.inference.engines import MODELS, Engine
from baselines.inference.llama_cpp import SOURCE, VARIABLES, make_llama_cpp
from baselines.inference.shapes import NEW_TOKENS, REPEATS, Shape

CHECKPOINTS = MADE / "inference" / "checkpoints"
CAPACITY = -(-(max(REPEATS) + NEW_TOKENS) // 512) * 512  # tokens that our KV cache has to hold
EXPORT = ["--task", "text-generation-with-past", "--weight-format", "int4", "--group-size", "128", "--ratio", "1.0"]
BUILDER = ["-p", "int4", "-e", "cpu", "--extra_options", "block_size=128", "prune_lm_head=true"]


def checkpoint(shape: Shape) -> Path:
    """The Hugging Face folder, float16."""
    script = MODEL_SCRIPTS / "random_weights.py"
    return make(
        CHECKPOINTS / shape.name,
        f"the checkpoint {shape.name}",
        lambda part: run([sys.executable, script, shape.name, part], shape.name),
    )


def openvino(shape: Shape, part: Path, *options: str) -> None:
    """OpenVINO's int4 export; embedding and head int8 unless all layers are int4."""
    tool = python("openvino").parent / "optimum-cli"
    run([tool, "export", "openvino", "--model", checkpoint(shape), *EXPORT, "--sym", *options, part], shape.name)


def onnxruntime(shape: Shape, part: Path) -> None:
    """ONNX Runtime GenAI's builder."""
    command = [python("onnxruntime"), "-m", "onnxruntime_genai.models.builder", "-i", checkpoint(shape), "-o", part]
    run([*command, "-c", MADE / "cache", *BUILDER], shape.name)


def llama(shape: Shape, part: Path, kind: str) -> None:
    """llama.cpp's file: converted to float16, then quantized."""
    tools, float16 = BASELINES / "inference" / "tools", part / "float16.gguf"
    part.mkdir()
    convert = [python("llama.cpp"), tools / "convert_to_gguf.py", SOURCE / "vendor" / "llama.cpp"]
    run([*convert, checkpoint(shape), "--outtype", "f16", "--outfile", float16], shape.name)
    quantize = [python("llama.cpp"), tools / "quantize_gguf.py", float16, part / "model.gguf", kind]
    run(quantize, shape.name, VARIABLES)
    float16.unlink()


def tyllm(shape: Shape, part: Path) -> None:
    """Our package on one die."""
    command = [sys.executable, "-m", "tyllm", "compile", checkpoint(shape), part, "--quantize", "rtn"]
    run([*command, "--max-kv-cache-size", str(CAPACITY)], shape.name)


RECIPES: dict[str, Callable[[Shape, Path], None]] = {
    "tyllm": tyllm,
    "openvino": openvino,
    "openvino-all": lambda shape, part: openvino(shape, part, "--all-layers"),
    "onnxruntime": onnxruntime,
    "llama.cpp-q4_0": partial(llama, kind="Q4_0"),
    "llama.cpp-q4_k_m": partial(llama, kind="Q4_K_M"),
}


def make_engine(engine: Engine) -> None:
    """The engine's environment, and llama.cpp itself; raises `StepError`."""
    make_environment(engine.environment)
    if engine.environment == "llama.cpp":
        make_llama_cpp()


def make_model(engine: Engine, shape: Shape) -> Path:
    """The model as the engine reads it; ours is compiled anew, since the compiler changes; raises `StepError`."""
    folder = MODELS / shape.name / engine.name
    if engine.is_ours:
        remove(folder)
    make(folder, f"{shape.name} for {engine.title}", lambda part: RECIPES[engine.name](shape, part))
    return engine.model(shape.name)
