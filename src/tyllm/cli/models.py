"""`tyllm models`: the architectures that compile, and how far each was tested."""

from typing import TYPE_CHECKING, Any

from hf_checkpoint.families import FAMILIES, Family
from tyllm.cli.print_result import print_result
from tyllm.cli.shared_options import Debug, Json

if TYPE_CHECKING:
    from rich.console import Console

NOTE = (
    "Tested, with small random weights in the form of the real config, as INT4: the logits agree with transformers', "
    "and so many dies give the same text. Any other decoder of transformers that goes through its attention interface "
    "is tried too; what cannot be compiled is named at once."
)


def models(as_json: Json = False, debug: Debug = False) -> None:
    """List the architectures that compile, and how far each was tested.

    Example: `tyllm models --json`
    """

    def draw(console: "Console") -> None:
        from rich.table import Table

        table = Table("architecture", "published as", "tested")
        for family in FAMILIES:
            table.add_row(family.architecture, ", ".join(family.published), family.tested)
        console.print(table)
        console.print(NOTE)

    print_result({"models": [_as_json(family) for family in FAMILIES], "note": NOTE}, as_json, draw)


def _as_json(family: Family) -> dict[str, Any]:
    return {
        "architecture": family.architecture,
        "model_type": family.model_type,
        "checkpoints": family.published,
        "tested": family.tested,
    }
