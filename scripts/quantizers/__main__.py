"""Compare our quantizer with AutoAWQ and llm-compressor: `python scripts/quantizers`.

Quality: the trained model and its planted-outlier twin, every tool with the same calibration tokens, group size and
bits, the output projection left alone and, where the tool can, quantized too; one float32 judge for all. Speed: random
weights in larger shapes, with one and with two layers; the difference is what a layer costs. Environments are made
under out/quantizers on the first run; results go to out/quantizers/results.json and, as Markdown, results.md beside it.
"""

import argparse
import datetime
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from autoawq_alike import check_packing, check_tensors
from judge import Judge
from outcomes import Outcome, Results
from places import MADE, RESULTS
from quantizing import output_folder, quantize
from subjects import NATURAL, PLANTED, SHAPES, trained, untrained
from table import markdown
from tools import TOOLS, Tool
from transformers import AutoTokenizer

from awq.calibration.tokens import calibration_samples
from hf_checkpoint.checkpoint import Checkpoint
from tyllm.cli.machine import this_machine

SPEED_SAMPLES = 8


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/quantizers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names, shapes = [tool.name for tool in TOOLS], [shape.name for shape in SHAPES]
    parser.add_argument("--part", choices=["quality", "speed"], help="this part only")
    parser.add_argument(
        "--tools", nargs="+", choices=names, metavar="TOOL", default=names, help=f"of {', '.join(names)}"
    )
    parser.add_argument("--models", nargs="+", choices=[NATURAL, PLANTED], default=[NATURAL, PLANTED])
    parser.add_argument(
        "--head", choices=["without", "with", "both"], default="both", help="quantize it too, for quality"
    )
    parser.add_argument("--shapes", nargs="+", choices=shapes, default=shapes)
    parser.add_argument("--samples", type=int, default=16, help="calibration samples for quality; speed takes 8")
    parser.add_argument("--length", type=int, default=512, help="tokens of a sample")
    parser.add_argument("--group-size", type=int, default=128)
    parser.add_argument("--layers", nargs="+", type=int, default=[1, 2], help="of the random weights, smallest first")
    parser.add_argument("--threads", type=int, default=1, help="of every tool")
    parser.add_argument("--add", action="store_true", help="keep the outcomes of earlier runs that are not run again")
    return parser.parse_args(words)


class Comparison:
    """A run of everything that was asked for; results are saved after each outcome."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.tools = [tool for tool in TOOLS if tool.name in given.tools]
        settings = {name: getattr(given, name) for name in ("samples", "length", "group_size", "threads")}
        today, machine = datetime.date.today().isoformat(), this_machine().processor
        earlier = list(Results.load(RESULTS).outcomes) if given.add and RESULTS.is_file() else []
        self.results = Results(today, machine, settings | {"speed_samples": SPEED_SAMPLES}, earlier)

    def quality(self, model: str) -> None:
        """All tools on a trained model."""
        checkpoint = trained(model)
        judge, layers = Judge(checkpoint), Checkpoint.open(checkpoint).config["num_hidden_layers"]
        self.keep(judge.float_row(model, layers))
        for head in {"without": [False], "with": [True], "both": [False, True]}[self.given.head]:
            for tool in self.tools:
                if tool.does_head or not head:
                    planned = Outcome("quality", model, layers, tool.name, head)
                    self.keep(judge.judged(self.quantize(tool, checkpoint, planned, self.given.samples)))

    def speed(self, shape_name: str) -> None:
        """All tools that calibrate on random weights, the whole of each layer count before the next."""
        (shape,) = (shape for shape in SHAPES if shape.name == shape_name)
        for layers in self.given.layers:
            for tool in self.tools:
                if tool.name != "rtn":
                    planned = Outcome("speed", shape.name, layers, tool.name)
                    self.keep(self.quantize(tool, untrained(shape, layers), planned, SPEED_SAMPLES))

    def quantize(self, tool: Tool, checkpoint: Path, planned: Outcome, samples: int) -> Outcome:
        """One run of one tool."""
        say(f"{tool.title} on {planned.model}, {planned.layers} layers{', head too' if planned.head else ''} …")
        tokens = calibration_tokens(checkpoint, samples, self.given.length)
        outcome = quantize(tool, checkpoint, tokens, planned, self.given.group_size, self.given.threads)
        say(outcome.error or f"  {outcome.cpu:.1f} CPU-seconds, {outcome.wall:.1f} s")
        return outcome

    def keep(self, outcome: Outcome) -> None:
        """Add the outcome, in place of an earlier one of the same run, and save."""
        old = [other for other in self.results.outcomes if identity(other) != identity(outcome)]
        self.results.outcomes[:] = [*old, outcome]
        self.results.save(RESULTS)
        RESULTS.with_suffix(".md").write_text(markdown(self.results), encoding="utf-8")


def identity(outcome: Outcome) -> tuple[str, str, int, str, bool]:
    """What makes two outcomes the same run."""
    return outcome.part, outcome.model, outcome.layers, outcome.tool, outcome.head


def calibration_tokens(checkpoint: Path, samples: int, length: int) -> Path:
    """A JSON file of bundled text in the checkpoint's tokens."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    tokens = calibration_samples(None, tokenizer, samples, length, len(tokenizer))
    file = MADE / "tokens.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(tokens.tolist()), encoding="utf-8")
    return file


def check_alike(model: str, layers: int) -> None:
    """Raise unless AutoAWQ's folder, where both were made, holds the tensors that ours holds."""
    ours, theirs = (output_folder(Outcome("quality", model, layers, name)) for name in ("awq", "autoawq-float16"))
    if ours.exists() and theirs.exists():
        check_tensors(ours, theirs)
        say("AutoAWQ stores the same tensors")


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Check the packing, compare, print the tables."""
    given = arguments()
    comparison = Comparison(given)
    MADE.mkdir(parents=True, exist_ok=True)
    if any(tool.environment == "autoawq" for tool in comparison.tools):
        check_packing()
        say("AutoAWQ packs as we do")
    if given.part != "speed":
        for model in given.models:
            comparison.quality(model)
        check_alike(NATURAL, Checkpoint.open(trained(NATURAL)).config["num_hidden_layers"])
    if given.part != "quality":
        for shape in given.shapes:
            comparison.speed(shape)
    print(markdown(comparison.results))


if __name__ == "__main__":
    main()
