"""The option --calibration: our own text, the model's own, a file, or a dataset."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

CHOICES = ("bundled", "self")


def check_calibration(choice: str) -> str:
    """`choice`, if there is such calibration data; raises `BadParameter`."""
    if choice in CHOICES or Path(choice).is_file() or find_spec("datasets") is not None:
        return choice
    reason = "is a folder" if Path(choice).is_dir() else "is no file"
    raise typer.BadParameter(
        f"{choice!r} {reason}, and datasets is not installed to read a dataset; "
        "use bundled (text in many languages, code and conversations), self (text that the model writes), "
        "or a text or .jsonl file."
    )


def calib_data(choice: str) -> str | Path | None:
    """The choice as the quantizer's `calib_data`: None for the bundled text, a path, or a name."""
    if choice == "bundled":
        return None
    return Path(choice) if choice not in CHOICES and Path(choice).is_file() else choice


Calibration = Annotated[
    str,
    typer.Option(
        metavar="bundled|self|FILE|DATASET",
        callback=check_calibration,
        help="Text to calibrate with: bundled, in many languages; self, the model writes it, which takes a while; "
        "a text file, or .jsonl with text or messages, with images too; a dataset of Hugging Face's.",
    ),
]
