"""Compare our quantizer with AutoAWQ and llm-compressor.

Quality: the trained model and its outlier variant, every quantizer with the same calibration tokens, group size and
bits, the output projection left alone and, where the quantizer can, quantized too; one float32 judge for all. Speed:
random weights in larger shapes, with one and with two layers; the difference is what a layer costs. Environments are
made under out/baselines on the first run; results go to out/baselines/quantization/results.json and, as Markdown,
results.md beside it.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from baselines.harness.paths import MADE
from baselines.harness.steps import say
from baselines.quantization.autoawq_packing import check_packing, check_tensors
from baselines.quantization.checkpoints import NATURAL, PLANTED, SHAPES, trained, untrained
from baselines.quantization.judge import Judge
from baselines.quantization.measure import output_folder, quantize
from baselines.quantization.outcomes import Outcome, QuantizationRun
from baselines.quantization.quantizers import QUANTIZERS, Quantizer
from baselines.quantization.table import markdown
from transformers import AutoTokenizer

from awq.calibration.tokens import calibration_samples
from hf_checkpoint.checkpoint import Checkpoint

RESULTS = MADE / "quantization" / "results.json"
SPEED_SAMPLES = 8


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names, shapes = [quantizer.name for quantizer in QUANTIZERS], [shape.name for shape in SHAPES]
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
    parser.add_argument("--threads", type=int, default=1, help="of every quantizer")
    parser.add_argument("--add", action="store_true", help="keep the outcomes of earlier runs that are not run again")
    return parser.parse_args(words)


class Comparison:
    """A run of everything that was asked for; results are saved after each outcome."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.quantizers = [quantizer for quantizer in QUANTIZERS if quantizer.name in given.tools]
        settings = {name: getattr(given, name) for name in ("samples", "length", "group_size", "threads")}
        earlier = QuantizationRun.load(RESULTS).samples if given.add and RESULTS.is_file() else []
        self.run = QuantizationRun(settings=settings | {"speed_samples": SPEED_SAMPLES}, samples=earlier)

    def quality(self, model: str) -> None:
        """All quantizers on a trained model."""
        checkpoint = trained(model)
        judge, layers = Judge(checkpoint), Checkpoint.open(checkpoint).config["num_hidden_layers"]
        self.keep(judge.float_row(model, layers))
        for head in {"without": [False], "with": [True], "both": [False, True]}[self.given.head]:
            for quantizer in self.quantizers:
                if quantizer.does_head or not head:
                    planned = Outcome("quality", model, layers, quantizer.name, head)
                    self.keep(judge.judged(self.quantize(quantizer, checkpoint, planned, self.given.samples)))

    def speed(self, shape_name: str) -> None:
        """All quantizers that calibrate on random weights, the whole of each layer count before the next."""
        (shape,) = (shape for shape in SHAPES if shape.name == shape_name)
        for layers in self.given.layers:
            for quantizer in self.quantizers:
                if quantizer.name != "rtn":
                    planned = Outcome("speed", shape.name, layers, quantizer.name)
                    self.keep(self.quantize(quantizer, untrained(shape, layers), planned, SPEED_SAMPLES))

    def quantize(self, quantizer: Quantizer, checkpoint: Path, planned: Outcome, samples: int) -> Outcome:
        """One run of one quantizer."""
        say(f"{quantizer.title} on {planned.model}, {planned.layers} layers{', head too' if planned.head else ''} …")
        tokens = calibration_tokens(checkpoint, samples, self.given.length)
        outcome = quantize(quantizer, checkpoint, tokens, planned, self.given.group_size, self.given.threads)
        say(outcome.error or f"  {outcome.cpu:.1f} CPU-seconds, {outcome.wall:.1f} s")
        return outcome

    def keep(self, outcome: Outcome) -> None:
        """Add the outcome and save."""
        self.run.keep(outcome)
        self.run.save(RESULTS)
        RESULTS.with_suffix(".md").write_text(markdown(self.run), encoding="utf-8")


def calibration_tokens(checkpoint: Path, samples: int, length: int) -> Path:
    """A JSON file of bundled text in the checkpoint's tokens."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    tokens = calibration_samples(None, tokenizer, samples, length, len(tokenizer))
    file = MADE / "quantization" / "tokens.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(tokens.tolist()), encoding="utf-8")
    return file


def check_alike(model: str, layers: int) -> None:
    """Raise `AssertionError` unless AutoAWQ's folder, where both were made, holds the tensors that ours holds."""
    ours, theirs = (output_folder(Outcome("quality", model, layers, name)) for name in ("awq", "autoawq-float16"))
    if ours.exists() and theirs.exists():
        check_tensors(ours, theirs)
        say("AutoAWQ stores the same tensors")


def main() -> int:
    """Check the packing, compare, print the tables."""
    given = arguments()
    comparison = Comparison(given)
    MADE.mkdir(parents=True, exist_ok=True)
    if any(quantizer.environment == "autoawq" for quantizer in comparison.quantizers):
        check_packing()
        say("AutoAWQ packs as we do")
    if given.part != "speed":
        for model in given.models:
            comparison.quality(model)
        check_alike(NATURAL, Checkpoint.open(trained(NATURAL)).config["num_hidden_layers"])
    if given.part != "quality":
        for shape in given.shapes:
            comparison.speed(shape)
    print(markdown(comparison.run))
    return 0
