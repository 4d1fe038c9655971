"""`tyllm models`: the architectures that compile, and how far each was tested."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hf_checkpoint.families import FAMILIES, Family, reads_text_alone
from tyllm.cli.missing_extra import COMPILE_MODULES, require
from tyllm.cli.print_result import print_result
from tyllm.cli.shared_options import Debug, Json, TrustRemoteCode

if TYPE_CHECKING:
    from rich.console import Console

NOTE = (
    "Tested, with small random weights in the form of the real config, as INT4: the logits agree with transformers', "
    "and so many dies give the same text. Any other decoder of transformers that goes through its attention interface "
    "is tried too; what cannot be compiled is named at once."
)


Asked = Annotated[Path | None, typer.Argument(metavar="CHECKPOINT", help="A model folder, or one with config.json.")]


def models(
    checkpoint: Asked = None, trust_remote_code: TrustRemoteCode = False, as_json: Json = False, debug: Debug = False
) -> None:
    """List the architectures that compile, and how far each was tested; or say whether CHECKPOINT does.

    Of CHECKPOINT only config.json is read, in seconds: an operator without a kernel shows when it is compiled.

    Example: `tyllm models Qwen2-0.5B`
    """
    if checkpoint is not None:
        _ask(checkpoint, trust_remote_code, as_json)
        return

    def draw(console: "Console") -> None:
        from rich.table import Table

        table = Table("architecture", "published as", "tested")
        for family in FAMILIES:
            table.add_row(family.architecture, ", ".join(family.published), family.tested)
        console.print(table)
        console.print(NOTE)

    print_result({"models": [_as_json(family) for family in FAMILIES], "note": NOTE}, as_json, draw)


def _ask(checkpoint: Path, trust_remote_code: bool, as_json: bool) -> None:
    """Say that the model is taken, or raise the refusal."""
    require("models CHECKPOINT", COMPILE_MODULES)
    from hf_checkpoint.checkpoint import read_config
    from tyllm.build_util import check_model

    found = check_model(checkpoint, trust_remote_code)
    family = next((family for family in FAMILIES if family.architecture == found), None)
    tested = family.tested if family else None
    text_alone = reads_text_alone(read_config(checkpoint, trust_remote_code))
    sentence = f"{found} is taken by tyllm compile" + (f"; tested on {tested}." if tested else ".")
    sentence += " It is compiled for text alone: its images are not supported." if text_alone else ""
    print_result(
        {"architecture": found, "supported": True, "tested": tested, "text_alone": text_alone},
        as_json,
        lambda console: console.print(sentence),
    )


def _as_json(family: Family) -> dict[str, Any]:
    return {
        "architecture": family.architecture,
        "model_type": family.model_type,
        "checkpoints": family.published,
        "tested": family.tested,
    }
