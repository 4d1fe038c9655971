"""Makes what is measured of a vision tower: checkpoint, image, the others' conversions (once), our package."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from environments import python
from places import DRIVERS, MADE, SCRIPTS
from steps import make, remove, run
from tower_engines import ENGINES, TowerEngine

PATCH = 14  # pixels


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
        return MADE / "vision" / self.name

    def checkpoint(self) -> Path:
        """The Hugging Face folder, float16, its language model one layer; raises `StepError`."""
        depth = ["--depth", str(self.depth)] if self.depth else []
        script = SCRIPTS / "peers" / "tower_checkpoint.py"
        return make(
            MADE / "vision" / "checkpoints" / self.tower,
            f"the checkpoint of {self.tower}",
            lambda part: run([sys.executable, script, self.config, part, *depth], self.name),
        )

    def data(self) -> Path:
        """Patches, grid and Hugging Face's embeddings; raises `StepError`."""
        script, words = DRIVERS / "prepare_tower.py", ["--grid", *map(str, self.grid)]
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
    exported, script = part / "tower.pt2", {"openvino": "tower_to_openvino.py", "onnxruntime": "tower_to_onnx.py"}
    export = [sys.executable, DRIVERS / "export_tower.py", subject.checkpoint(), subject.data()]
    run([*export, engine.form, exported], subject.name)
    run([python(engine.environment), DRIVERS / script[engine.family], exported, part], subject.name)
    exported.unlink()


def rounded(subject: Subject, part: Path, engine: TowerEngine) -> None:
    """The float model of the same form, rounded to int8."""
    plain = next(each for each in ENGINES if (each.family, each.form) == (engine.family, engine.form))
    part.mkdir()
    run([python(engine.environment), DRIVERS / "tower_to_int8.py", make_tower(plain, subject), part], subject.name)


def make_tower(engine: TowerEngine, subject: Subject, *, keep: bool = True) -> Path:
    """What the program reads; ours is compiled anew, since the compiler changes, unless `keep`; raises `StepError`."""
    if engine.family == "torch":
        return subject.checkpoint()
    folder = subject.folder / engine.name
    if engine.is_ours and not keep:
        remove(folder)
    recipes: dict[str, Callable[[Path], None]] = {
        "tyllm": lambda part: tyllm(subject, part),
        "int8": lambda part: rounded(subject, part, engine),
    }
    recipe = recipes.get("int8" if engine.int8 else engine.family, lambda part: converted(subject, part, engine))
    return make(folder, f"{subject.name} for {engine.title}", recipe)
