"""Writes conversations about drawn images, to calibrate a quantizer: conversations.jsonl, and the images beside.

python models/image_calibration.py out/calibration
tyllm quantize models/tyllm-vl-4m out/quantized --calibration out/calibration/conversations.jsonl
"""

import argparse
import json
import random
from pathlib import Path
from typing import Any

from drawing import draw, random_scene
from held_out_images import SIZES
from image_questions import Question, description, questions_about

QUESTIONS = 5  # about an image


def turns(image: str, questions: list[Question]) -> list[dict[str, Any]]:
    """The conversation in which those questions are asked about an image, given as a path."""
    messages: list[dict[str, Any]] = []
    for question in questions:
        messages += [{"role": "user", "content": question.text}, {"role": "assistant", "content": question.answer}]
    first = [{"type": "image", "image": image}, {"type": "text", "text": questions[0].text}]
    return [{"role": "user", "content": first}, *messages[1:]]


def write(folder: Path, number: int, seed: int) -> Path:
    """Writes `number` conversations; returns the path of the file."""
    rng, lines = random.Random(f"calibration {seed}"), []
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(number):
        scene = random_scene(rng, *SIZES[i % len(SIZES)])
        questions = [*questions_about(rng, scene, QUESTIONS), description(rng, scene)]
        draw(scene).save(folder / f"{i}.png")
        lines.append(json.dumps({"messages": turns(f"{i}.png", questions)}))
    path = folder / "conversations.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def main() -> None:
    """Reads the command line and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--number", type=int, default=128, help="conversations, each about an image of its own")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(write(args.folder, args.number, args.seed))


if __name__ == "__main__":
    main()
