"""Makes the checkpoint, the image, the others' conversions (once) and our package of a vision tower."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from baselines.harness.environments import python
from baselines.harness.paths import BASELINES, MADE, MODEL_SCRIPTS
from baselines.harness.steps import make, remove, run
from baselines.vision_tower.engines import ENGINES, TowerEngine

PATCH = 14  # pixels
TOOLS = BASELINES / "vision_tower" / "tools"
FOLDER = MADE / "vision_tower"
CONVERTERS = {"openvino": "openvino", "onnxruntime": "onnx"}


@dataclass(frozen=True)
class Subject:
    """A tower and an image.

    Attributes:
        config: a name in models/configs.
        grid: rows and columns of patches.
        depth: layers of the tower; None for the config's.
    """

    config: str
    grid: tuple[int, int]
    depth: int | None = None

    @property
    def name(self) -> str:
        """Of its log."""
        return f"{self.tower}-{self.grid[0]}x{self.grid[1]}"

    @property
    def tower(self) -> str:
        """The config, and the depth if it is another."""
        return f"{self.config}-{self.depth}layers" if self.depth else self.config

    @property
    def folder(self) -> Path:
        """Where all lies that depends on the image's size."""
        return FOLDER / self.name

    def checkpoint(self) -> Path:
        """The Hugging Face folder, float16, its language model one layer; raises `StepError`."""
        depth = ["--depth", str(self.depth)] if self.depth else []
        command = [sys.executable, TOOLS / "make_checkpoint.py"]
        return make(
            FOLDER / "checkpoints" / self.tower,
            f"the checkpoint of {self.tower}",
            lambda part: run([*command, self.config, part, *depth], self.name, {"PYTHONPATH": str(MODEL_SCRIPTS)}),
        )

    def data(self) -> Path:
        """Patches, grid and Hugging Face's embeddings; raises `StepError`."""
        script, words = TOOLS / "make_reference.py", ["--grid", *map(str, self.grid)]
        return make(
            self.folder / "data",
            f"the image for {self.name}",
            lambda part: run([sys.executable, script, self.checkpoint(), part, *words], self.name),
        )


def tyllm(subject: Subject, part: Path) -> None:
    """Our package on one die."""
    size = "x".join(str(patches * PATCH) for patches in subject.grid)
    command = [sys.executable, "-m", "tyllm", "compile", subject.checkpoint(), part, "--image-size", size]
    run([*command, "--seq-lens", "1", "--quantize", "rtn"], subject.name)


def converted(subject: Subject, part: Path, engine: TowerEngine) -> None:
    """The form exported, and converted in the program's environment."""
    part.mkdir()
    exported, script = part / "tower.pt2", f"convert_to_{CONVERTERS[engine.driver]}.py"
    export = [sys.executable, TOOLS / "export_tower.py", subject.checkpoint(), subject.data()]
    run([*export, engine.form, exported], subject.name)
    run([python(engine.environment), TOOLS / script, exported, part], subject.name)
    exported.unlink()


def rounded(subject: Subject, part: Path, engine: TowerEngine) -> None:
    """The float model of the same form, rounded to int8."""
    plain = next(each for each in ENGINES if (each.driver, each.form) == (engine.driver, engine.form))
    part.mkdir()
    run([python(engine.environment), TOOLS / "quantize_onnx.py", make_tower(plain, subject), part], subject.name)


def make_tower(engine: TowerEngine, subject: Subject, *, keep: bool = True) -> Path:
    """The model as the program reads it; raises `StepError`.

    Ours is compiled anew, since the compiler changes, unless `keep`.
    """
    if engine.driver == "torch":
        return subject.checkpoint()
    folder = subject.folder / engine.name
    if engine.is_ours and not keep:
        remove(folder)
    recipes: dict[str, Callable[[Path], None]] = {
        "tyllm": lambda part: tyllm(subject, part),
        "int8": lambda part: rounded(subject, part, engine),
    }
    recipe = recipes.get("int8" if engine.int8 else engine.driver, lambda part: converted(subject, part, engine))
    return make(folder, f"{subject.name} for {engine.title}", recipe)
