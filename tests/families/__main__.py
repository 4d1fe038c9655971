"""`python -m tests.families`: every model type of transformers, tiny and random, compiled and compared.

python -m tests.families gpt2 opt --dies 1 3     # some types
python -m tests.families --resume                # all that have no result yet
python -m tests.families --document              # all; then writes docs/models.md and the table of `tyllm models`
python -m tests.families llama --quantize tyllm  # as INT4, against transformers on the dequantized weights
python -m tests.families llama --variants        # with one field of the config changed at a time
"""

import argparse
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.families.trial import Outcome

REPO = Path(__file__).resolve().parents[2]


def main() -> int:
    """Print an outcome a line and their numbers; 1 where one is wrong or crashes."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.families", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("types", nargs="*", help="model types; all causal and image-text ones where none is given")
    parser.add_argument("--dies", nargs="+", type=int, default=[1, 3])
    parser.add_argument("--resume", action="store_true", help="leave out the types that have a result")
    parser.add_argument("--results", type=Path, default=REPO / "out" / "families", help="folder of a JSON file a type")
    parser.add_argument(
        "--variants", action="store_true", help="each type with one field of its config changed at a time"
    )
    parser.add_argument(
        "--quantize", metavar="METHOD", default="", help='INT4 by this method ("tyllm", "awq", "rtn") first'
    )
    parser.add_argument("--document", action="store_true", help="write docs/models.md and the table of `tyllm models`")
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    from tests.c_library import compiled_once
    from tests.families.pool import read_outcome, try_all
    from tests.families.random_model import CAUSAL, IMAGE_TEXT
    from tests.families.variants import variant_names

    given.results.mkdir(parents=True, exist_ok=True)
    chosen = given.types or [*CAUSAL, *IMAGE_TEXT]
    if given.variants:
        chosen = [name for each in chosen for name in variant_names(each)]
    done = {path.stem for path in given.results.glob("*.json")} if given.resume else set()
    started = time.monotonic()
    with compiled_once(prepared=True):
        outcomes = []
        waiting = [each for each in chosen if each not in done]
        for outcome in try_all(waiting, tuple(given.dies), given.results, given.quantize):
            outcomes.append(outcome)
            print(f"{outcome.model_type:44} {outcome.result:8} {outcome.reason}", flush=True)
    every = [read_outcome(given.results / f"{each}.json") for each in chosen]
    print(f"{time.monotonic() - started:.0f} s;", dict(Counter(each.result for each in every)))
    if given.document:
        document([read_outcome(given.results / f"{each}.json") for each in (*CAUSAL, *IMAGE_TEXT)])
    return int(any(each.result in ("wrong", "crash") for each in outcomes))


def document(outcomes: "list[Outcome]") -> None:
    """Write the table and docs/models.md from the outcomes of all types."""
    import transformers
    from tests.families.document import DOCUMENT, markdown, table, written

    from hf_checkpoint.model_types import TABLE

    rows = table(outcomes)
    TABLE.write_text(written(rows), encoding="utf-8")
    DOCUMENT.write_text(markdown(rows, transformers.__version__), encoding="utf-8")


sys.exit(main())
