"""`tyllm bench`: tokens per second of packages, beside what this machine could do."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tyllm.cli.demanded_signer import demanded_signer
from tyllm.cli.shared_options import Debug, Demanded, Issuer, Json
from tyllm.progress_bar import progress_bar
from tyllm_base.printable import json_text, printable


class TableFormat(StrEnum):
    """Form that the result is printed in."""

    MD = "md"
    CSV = "csv"
    JSON = "json"


def bench(
    packages: Annotated[list[Path], typer.Argument(metavar="PACKAGE...", help="Folders that `tyllm compile` wrote.")],
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", "-p", metavar="N", help="Tokens of a prompt (default 512).")
    ] = None,
    gen: Annotated[
        list[str] | None, typer.Option("--gen", "-n", metavar="N", help="Tokens decoded one by one (default 128).")
    ] = None,
    depth: Annotated[
        list[str] | None, typer.Option("--depth", "-d", metavar="N", help="Tokens in the cache before (default 0).")
    ] = None,
    repetitions: Annotated[int, typer.Option("--repetitions", "-r", min=1, help="Runs of each test.")] = 5,
    threads: Annotated[int | None, typer.Option("--threads", "-t", help="Worker threads of all dies together.")] = None,
    signer: Demanded = None,
    issuer: Issuer = None,
    output: Annotated[TableFormat, typer.Option(help="Markdown, CSV or JSON.")] = TableFormat.MD,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure tokens per second: pp512 feeds a prompt of 512, tg128 decodes 128, @ d4096 after 4096 others.

    Prompts, generations and depths may be several: `-p 96,512` or `-p 96 -p 512`; 0 leaves that kind out. Beside each
    rate stands its share of what this machine can do, which is measured too: a decoded token must read its weights and
    its part of the cache, a prompt must do the products of its linear layers.

    Example: `tyllm bench out/quickstart/1die out/quickstart/2die -p 512 -n 128 -d 0,1024`
    """
    from tyllm.bench.measure import trials_of
    from tyllm.bench.run import run
    from tyllm.cli.bench_table import as_csv, document, markdown

    trials = trials_of(_numbers(prompt, 512, "--prompt"), _numbers(gen, 128, "--gen"), _numbers(depth, 0, "--depth"))
    if not trials:
        raise typer.BadParameter("there is nothing to measure; give --prompt or --gen a number above 0")
    demanded = demanded_signer(signer, issuer)
    with progress_bar("bench") as progress:
        rows = run(packages, trials, repetitions, threads, progress, demanded)
    if as_json or output is TableFormat.JSON:
        print(json_text(document(rows), indent=2))
    else:
        print(printable(as_csv(rows) if output is TableFormat.CSV else markdown(rows)))


def _numbers(given: list[str] | None, default: int, option: str) -> list[int]:
    """The numbers of ["96,512", "1024"], each once; raises `typer.BadParameter`."""
    texts = [part for text in given or [str(default)] for part in text.split(",")]
    try:
        numbers = [int(text) for text in texts]
    except ValueError:
        numbers = [-1]
    if min(numbers) < 0:
        raise typer.BadParameter(f"{','.join(texts)!r} is no list of whole numbers such as 96,512", param_hint=option)
    return list(dict.fromkeys(numbers))
