"""`tyllm eval`: how well a model predicts text, and how close it stays to another."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tyllm.cli.demanded_signer import demanded_signer
from tyllm.cli.eval_table import draw_evaluation
from tyllm.cli.missing_extra import QUANTIZE_MODULES, require
from tyllm.cli.print_result import print_result
from tyllm.cli.shared_options import Debug, Demanded, Issuer, Json, Threads, TrustRemoteCode
from tyllm.progress_bar import progress_bar

if TYPE_CHECKING:
    from rich.console import Console

    from tyllm.evaluate import Evaluation


def eval_(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A Hugging Face folder, quantized or not, or a compiled package.")
    ],
    reference: Annotated[
        Path | None,
        typer.Option(metavar="OTHER", help="What to compare with: a folder of any of these kinds, of one tokenizer."),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="UTF-8 text to predict; built-in if left out."),
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=2, help="Tokens predicted together; 2048, or what the models hold, if left out.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(min=2, help="Only so many tokens from the text's start.")] = None,
    threads: Threads = None,
    trust_remote_code: TrustRemoteCode = False,
    signer: Demanded = None,
    issuer: Issuer = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure perplexity on a text and, with --reference, how far the predictions lie from another model's.

    The text is cut into windows; the first token of each is read, not predicted, and a rest shorter than a window is
    left out. Folders are read layer by layer, so the model need not fit into memory. Brackets hold 95% intervals.

    Example: `tyllm eval Qwen1.5-1.8B-AWQ-INT4 --reference Qwen1.5-1.8B --max-tokens 8192`
    """
    from tyllm.evaluate.open_predictor import is_package

    folders = [folder for folder in (model, reference) if folder is not None]
    if not all(map(is_package, folders)):
        require("eval", QUANTIZE_MODULES)
    from tyllm.evaluate import evaluate

    demanded = demanded_signer(signer, issuer)
    with progress_bar("eval") as progress:
        found = evaluate(
            model,
            reference,
            text=text,
            window=window,
            max_tokens=max_tokens,
            threads=threads,
            trust_remote_code=trust_remote_code,
            signer=demanded,
            progress=progress,
        )
    _print_evaluation(found, model, reference, text, as_json)


def _print_evaluation(
    found: "Evaluation", model: Path, reference: Path | None, text: Path | None, as_json: bool
) -> None:
    """Print an evaluation with the names of the folders and of the text that it is of."""
    other = None if reference is None else str(reference)

    def draw(console: "Console") -> None:
        draw_evaluation(console, found, str(model), other)

    source = "built-in" if text is None else str(text)
    print_result({"model": str(model), "reference": other, "text": source, "result": asdict(found)}, as_json, draw)
