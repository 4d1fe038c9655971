"""`tyllm models`: which model types compile, how far each was tested, and why others are refused."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hf_checkpoint.families import FAMILIES, reads_text_alone
from hf_checkpoint.model_types import REFUSED, UNKNOWN, WORKS, ModelType, by_reason, model_types
from tyllm.cli.missing_extra import COMPILE_MODULES, require
from tyllm.cli.print_result import print_result
from tyllm.cli.shared_options import Debug, Json, TrustRemoteCode

if TYPE_CHECKING:
    from rich.console import Console

TESTED = "tested"
TITLES = {
    WORKS: "Work too: a tiny random model of each type agrees with transformers on 1 and 3 dies",
    REFUSED: "Refused",
    UNKNOWN: "Not tried",
}
NOTE = (
    "Tested, with small random weights in the form of the real config, as INT4: the logits agree with transformers', "
    "and so many dies give the same text. A model of any other type is tried when it is compiled, and refused at once "
    "where it would not be right. `tyllm models CHECKPOINT` asks for one."
)


Asked = Annotated[Path | None, typer.Argument(metavar="CHECKPOINT", help="A model folder, or one with config.json.")]


def models(
    checkpoint: Asked = None, trust_remote_code: TrustRemoteCode = False, as_json: Json = False, debug: Debug = False
) -> None:
    """List the model types that are tested, that work, and that are refused; or say whether CHECKPOINT is taken.

    Of CHECKPOINT only config.json is read, in seconds: an operator without a kernel shows when it is compiled.

    Example: `tyllm models Qwen2-0.5B`
    """
    if checkpoint is not None:
        _ask(checkpoint, trust_remote_code, as_json)
        return
    tested = {family.model_type for family in FAMILIES}
    others = [row for row in model_types() if row.model_type not in tested]
    every = [*_tested(), *map(_as_json, others)]
    print_result({"models": every, "note": NOTE}, as_json, lambda console: _draw(console, others))


def _draw(console: "Console", others: list[ModelType]) -> None:
    """The tested families as a table, the other types by state, refusals by reason."""
    from rich.table import Table

    table = Table("architecture", "published as", "tested")
    for family in FAMILIES:
        table.add_row(family.architecture, ", ".join(family.published), family.tested)
    console.print(table)
    for state, title in TITLES.items():
        rows = [row for row in others if row.state == state]
        console.print(f"\n{title} ({len(rows)}):", highlight=False)
        for reason, types in by_reason(rows).items():
            console.print(f"- {', '.join(types)}{reason and f': {reason}'}", markup=False, highlight=False)
    console.print(f"\n{NOTE}")


def _ask(checkpoint: Path, trust_remote_code: bool, as_json: bool) -> None:
    """Say that the model is taken, and what is known of its type, or raise the refusal."""
    require("models CHECKPOINT", COMPILE_MODULES)
    from hf_checkpoint.checkpoint import read_config
    from tyllm.build_util import check_model

    found = check_model(checkpoint, trust_remote_code)
    known = next((row for row in (*_tested(), *map(_as_json, model_types())) if row["architecture"] == found), {})
    text_alone = reads_text_alone(read_config(checkpoint, trust_remote_code))
    result = {
        "architecture": found,
        "supported": True,
        "tested": known.get("tested"),
        "state": known.get("state", UNKNOWN),
        "text_alone": text_alone,
    }
    sentence = f"{found} is taken by tyllm compile{_known(known)}"
    sentence += " It is compiled for text alone: its images are not supported." if text_alone else ""
    print_result(result, as_json, lambda console: console.print(sentence, highlight=False))


def _known(known: dict[str, Any]) -> str:
    """What is known of a type, as the end of a sentence."""
    match known.get("state"):
        case "tested":
            return f"; tested on {known['tested']}."
        case "works":
            return "; a tiny random model of its type agrees with transformers on 1 and 3 dies."
        case "refused":
            return f" as far as its config tells, but a tiny random model of its type was refused: {known['reason']}"
    return "."


def _tested() -> list[dict[str, Any]]:
    return [
        {
            "architecture": family.architecture,
            "model_type": family.model_type,
            "state": TESTED,
            "checkpoints": family.published,
            "tested": family.tested,
        }
        for family in FAMILIES
    ]


def _as_json(row: ModelType) -> dict[str, Any]:
    return {
        "architecture": row.architecture or None,
        "model_type": row.model_type,
        "state": row.state,
        "reason": row.reason or None,
    }
