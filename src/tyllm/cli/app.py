"""The typer application: its commands in the order in which a model passes through them."""

from typing import Annotated

import typer

from tyllm import __version__
from tyllm.cli.bench import bench
from tyllm.cli.chat import chat
from tyllm.cli.compile import compile_
from tyllm.cli.doctor import doctor
from tyllm.cli.eval import eval_
from tyllm.cli.inspect import inspect
from tyllm.cli.models import models
from tyllm.cli.quantize import quantize
from tyllm.cli.run import run
from tyllm.cli.sign import sign
from tyllm.cli.verify import verify

HELP = """From a Hugging Face folder to text on one or more dies.

Example: `tyllm quantize MODEL OUT`, `tyllm compile OUT PACKAGE --dies 2`, `tyllm run PACKAGE "Once upon a time"`.

Every command takes `--json` (the result on stdout as one JSON document, nothing else there; progress and timings go
to stderr) and `--debug` (the traceback of a failure).

Exit codes:

- 0 done
- 1 the machine failed: no memory or threads, a killed process, a step that computed nonsense
- 2 wrong use of the command line
- 3 the checkpoint is wrong: files missing or damaged, NaN, shapes that contradict config.json
- 4 a setting that cannot work: group size, dies, sequence lengths
- 5 the model or one of its operators is not supported
- 6 the package is wrong: damaged, another version, another processor, not signed by whom you demand
- 7 the output folder exists or cannot be written
- 8 the request for text cannot be met: prompt too long, a sampling value out of range
- 9 something has to be installed first
- 70 a fault of TyLLM itself; the message names the log to report
- 129, 130, 143 ended by a hangup, by Ctrl-C, by SIGTERM
"""

app = typer.Typer(
    name="tyllm", help=HELP, no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_enable=False
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tyllm {__version__}")
        raise typer.Exit


@app.callback()
def _tyllm(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


app.command("quantize")(quantize)
app.command("compile")(compile_)
app.command("run")(run)
app.command("chat")(chat)
app.command("bench")(bench)
app.command("eval")(eval_)
app.command("inspect")(inspect)
app.command("sign")(sign)
app.command("verify")(verify)
app.command("doctor")(doctor)
app.command("models")(models)
app.callback()(_tyllm).__doc__ = HELP
