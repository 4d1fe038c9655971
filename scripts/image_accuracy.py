"""Share of questions about held-out images that checkpoints and packages answer rightly, and where they agree.

python scripts/image_accuracy.py models/tyllm-vl-4m out/quantized out/package [--cases 500] [--json]

A checkpoint, float or quantized, runs in transformers in float32; a package runs in a session. All decode greedily.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "models"))
from held_out_images import KINDS, Case, cases

LONGEST = 80  # tokens of an answer
BATCH = 25  # questions that transformers answers at a time
SECOND = 1.0  # of video in a temporal patch: two frames at two a second

Answers = list[str]


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder is a checkpoint, and not a package."""
    return any(folder.glob("*.safetensors")) or (folder / "model.safetensors.index.json").is_file()


class Checkpoint:
    """A Hugging Face folder in float32, and its processor (without torchvision, which videos would need)."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

        from awq.stream.load_quantized import load_quantized

        self.model = load_quantized(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.processor = Qwen2VLImageProcessorPil.from_pretrained(folder)

    def patches(self, images: Sequence[Any]) -> tuple[Any, Any]:
        """Patches and (t, h, w) grids of images."""
        seen = self.processor(images=list(images), return_tensors="pt")
        return seen["pixel_values"], seen["image_grid_thw"]

    def video_patches(self, frames: Sequence[Any]) -> tuple[Any, Any]:
        """The same of a video: its frames' patches, taken two by two."""
        import torch

        values, grid = self.patches(frames)
        count, rows, columns = len(frames), *grid[0, 1:].tolist()
        values = values.view(count // 2, 2, rows * columns, 3, 2, -1)[..., 0, :]  # an image is in its patches twice
        return values.permute(0, 2, 3, 1, 4).reshape(-1, self.width), torch.tensor([[count // 2, rows, columns]])

    @property
    def width(self) -> int:
        """Values of a patch."""
        config = self.model.config.vision_config
        return 3 * int(config.temporal_patch_size * config.patch_size**2)

    def text(self, case: Case, image_grids: Any, video_grids: Any) -> str:
        """The chat with a placeholder for each image token."""
        text = self.tokenizer.apply_chat_template(case.messages, tokenize=False, add_generation_prompt=True)
        for token, grids in (("<|image_pad|>", image_grids), ("<|video_pad|>", video_grids)):
            for grid in grids:
                text = text.replace(token, "\0" * (int(grid.prod()) // self.processor.merge_size**2), 1)
            text = text.replace("\0", token)
        return str(text)

    def batch(self, asked: Sequence[Case]) -> dict[str, Any]:
        """The model's inputs."""
        import torch

        shown = [self.patches(case.images) if case.images else (None, ()) for case in asked]
        videos = [self.video_patches(case.video) if case.video else (None, ()) for case in asked]
        texts = [self.text(case, s[1], f[1]) for case, s, f in zip(asked, shown, videos, strict=True)]
        inputs = dict(self.tokenizer(texts, padding=True, return_tensors="pt"))
        config = self.model.config
        inputs["mm_token_type_ids"] = (inputs["input_ids"] == config.image_token_id).int() + 2 * (
            inputs["input_ids"] == config.video_token_id
        ).int()
        for found, values, grid in (
            (shown, "pixel_values", "image_grid_thw"),
            (videos, "pixel_values_videos", "video_grid_thw"),
        ):
            there = [pair for pair in found if pair[0] is not None]
            if there:
                inputs[values], inputs[grid] = (torch.cat(tensors) for tensors in zip(*there, strict=True))
        if "video_grid_thw" in inputs:
            inputs["second_per_grid_ts"] = torch.full((len(inputs["video_grid_thw"]),), SECOND)
        return inputs

    def answer(self, asked: Sequence[Case]) -> Answers:
        """The model's answer to each."""
        answers: Answers = []
        for start in range(0, len(asked), BATCH):
            inputs = self.batch(asked[start : start + BATCH])
            ids = self.model.generate(**inputs, max_new_tokens=LONGEST, do_sample=False)
            generated = ids[:, inputs["input_ids"].shape[1] :]
            answers += self.tokenizer.batch_decode(generated, skip_special_tokens=True)
        return answers


def answer_with_package(folder: Path) -> Callable[[Sequence[Case]], Answers]:
    """A function that answers with a package."""
    from tyllm.runtime import Session

    session = Session(folder)
    return lambda asked: [session.chat(case.messages, max_new_tokens=LONGEST, temperature=0).text for case in asked]


def answer_with(folder: Path) -> Callable[[Sequence[Case]], Answers]:
    """A function that answers with a checkpoint or a package."""
    return Checkpoint(folder).answer if is_checkpoint(folder) else answer_with_package(folder)


def shares(asked: Sequence[Case], answers: Answers) -> dict[str, float]:
    """Share of right answers in all, and by kind of question."""
    right, total = Counter[str](), Counter[str]()
    for case, answer in zip(asked, answers, strict=True):
        total[case.question.kind] += 1
        right[case.question.kind] += answer.strip() == case.question.answer
    return {"all": right.total() / total.total()} | {kind: right[kind] / total[kind] for kind in KINDS if total[kind]}


def measure(folders: Sequence[Path], number: int, seed: int) -> dict[str, Any]:
    """Accuracy of each folder, seconds that it took, and the answers on which each two agree."""
    asked = list(cases(number, seed))
    found, given = {}, {}
    for folder in folders:
        answer, began = answer_with(folder), time.perf_counter()
        given[str(folder)] = answers = answer(asked)
        found[str(folder)] = {"accuracy": shares(asked, answers), "seconds": round(time.perf_counter() - began, 1)}
    agreements = [
        {"between": [one, other], "same": sum(a == b for a, b in zip(given[one], given[other], strict=True))}
        for one, other in combinations(given, 2)
    ]
    return {"cases": number, "seed": seed, "found": found, "agreements": agreements}


def show(result: dict[str, Any]) -> None:
    """Prints the result as tables."""
    console, table = Console(soft_wrap=True, highlight=False), Table("questions about")
    for folder in result["found"]:
        table.add_column(Path(folder).name, justify="right")
    for kind in ("all", *KINDS):
        row = [found["accuracy"].get(kind) for found in result["found"].values()]
        table.add_row(kind, *("" if share is None else f"{100 * share:.1f}%" for share in row))
    table.add_row("seconds", *(f"{found['seconds']:.0f}" for found in result["found"].values()))
    console.print(table)
    for agreement in result["agreements"]:
        one, other = (Path(folder).name for folder in agreement["between"])
        console.print(f"{one} and {other} agree on {agreement['same']} of {result['cases']} answers.")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="checkpoints and packages")
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    result = measure(args.folders, args.cases, args.seed)
    if args.json:
        print(json.dumps(result, indent=1))
    else:
        show(result)


if __name__ == "__main__":
    main()
