"""Makes the models: those of the comparison of single requests, our package with batches, an AWQ folder for vLLM."""

import sys
from collections.abc import Callable
from pathlib import Path

from baselines.harness.environments import make_environment
from baselines.harness.steps import make, remove, run
from baselines.inference import conversions as inference
from baselines.inference.shapes import Shape
from baselines.serving.engines import MODELS, ServingEngine, inference_engine

BATCH_SIZES = "4,8,16,32"
WITHOUT_BATCHES = "tyllm-without-batches"


def tyllm(shape: Shape, part: Path, *options: str) -> None:
    """Our package on one die."""
    command = [sys.executable, "-m", "tyllm", "compile", inference.checkpoint(shape), part, "--quantize", "rtn"]
    run([*command, "--max-kv-cache-size", str(inference.CAPACITY), *options], shape.name)


def awq(shape: Shape, part: Path) -> None:
    """An AWQ folder, rounded to nearest; the output projection stays float16, since vLLM cannot read it in 4 bits."""
    command = [sys.executable, "-m", "tyllm", "quantize", inference.checkpoint(shape), part, "--method", "rtn"]
    run([*command, "--no-lm-head", "--no-eval"], shape.name)


RECIPES: dict[str, Callable[[Shape, Path], None]] = {
    "tyllm": lambda shape, part: tyllm(shape, part, "--batch-sizes", BATCH_SIZES),
    WITHOUT_BATCHES: lambda shape, part: tyllm(shape, part, "--batch-sizes", "1"),
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
    return make_own(engine.name, shape, keep=keep or not engine.is_ours)


def make_without_batches(shape: Shape, *, keep: bool) -> Path:
    """Our package of one sequence a step; raises `StepError`."""
    return make_own(WITHOUT_BATCHES, shape, keep=keep)


def make_own(name: str, shape: Shape, *, keep: bool) -> Path:
    """A model of this comparison alone."""
    folder = MODELS / shape.name / name
    if not keep:
        remove(folder)
    return make(folder, f"{shape.name} for {name}", lambda part: RECIPES[name](shape, part))
