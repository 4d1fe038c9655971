"""Makes the models: those of the comparison of single requests, our package with batches, an AWQ folder for vLLM."""

import sys
from collections.abc import Callable
from pathlib import Path

from baselines.harness.environments import make_environment
from baselines.harness.steps import make, remove, run
from baselines.inference import conversions as inference
from baselines.inference.shapes import Shape
from baselines.serving.engines import ServingEngine, inference_engine

BATCH_SIZES = "4,8,16,32"


def tyllm(shape: Shape, part: Path) -> None:
    """Our package on one die, with batches."""
    command = [sys.executable, "-m", "tyllm", "compile", inference.checkpoint(shape), part, "--quantize", "rtn"]
    run([*command, "--max-kv-cache-size", str(inference.CAPACITY), "--batch-sizes", BATCH_SIZES], shape.name)


def awq(shape: Shape, part: Path) -> None:
    """An AWQ folder, rounded to nearest; the output projection stays float16, since vLLM cannot read it in 4 bits."""
    command = [sys.executable, "-m", "tyllm", "quantize", inference.checkpoint(shape), part, "--method", "rtn"]
    run([*command, "--no-lm-head", "--no-eval"], shape.name)


RECIPES: dict[str, Callable[[Shape, Path], None]] = {
    "tyllm": tyllm,
    "vllm": awq,
}


def make_engine(engine: ServingEngine) -> None:
    """The engine's environment, and llama.cpp itself; raises `StepError`."""
    if engine.same:
        inference.make_engine(inference_engine(engine.same))
    else:
        make_environment(engine.environment)


def make_model(engine: ServingEngine, shape: Shape, *, keep: bool) -> Path:
    """The model as the engine reads it; ours is compiled anew unless it shall be kept; raises `StepError`."""
    if engine.same:
        return inference.make_model(inference_engine(engine.same), shape)
    folder = engine.model(shape.name)
    if engine.is_ours and not keep:
        remove(folder)
    return make(folder, f"{shape.name} for {engine.name}", lambda part: RECIPES[engine.name](shape, part))
