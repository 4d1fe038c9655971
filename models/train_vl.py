"""Trains the small vision-language model: Qwen2.5-VL architecture, four million parameters, on images that it draws.

    python models/train_vl.py models/tyllm-vl-4m --minutes 60

The learning rate follows the clock, so that a training ends when it should on any machine.
"""

import argparse
import json
import math
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from drawing import COLORS, random_scene, random_video
from image_questions import description, questions_about, questions_about_video, text_only
from preprocessor import PATCH, preprocessor_config
from tokenizer import (
    END_OF_TEXT,
    TURN_END,
    VISION_CHAT_TEMPLATE,
    VISION_SPECIALS,
    chat_tokenizer,
    save_tokenizer,
    train_bpe,
)
from tokenizers import Tokenizer
from transformers import GenerationConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from vl_examples import IGNORED, KINDS, Example, Writer, collate
from vl_forward import Windows, all_logits

VOCABULARY = 512
CONTEXT = 2048
LENGTH = 144  # tokens an example
SIZES = {(112, 168): 0.65, (140, 140): 0.35}  # height, width: share of the batches
SMALLEST, LARGEST = 112 * 112, 140 * 140  # pixels that the processor leaves an image
WARM_UP = 0.02  # share of the time


def configuration() -> Qwen2_5_VLConfig:
    """The model's shape: whatever makes a split over dies uneven, in small."""
    end_of_text, _, turn_end, start, end, image, video = range(len(VISION_SPECIALS))
    text = {
        "vocab_size": VOCABULARY,
        "hidden_size": 256,
        "intermediate_size": 640,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 100.0, "mrope_section": [2, 6, 8]},
        "bos_token_id": None,
        "eos_token_id": turn_end,
        "pad_token_id": end_of_text,
    }
    vision = {
        "depth": 4,
        "hidden_size": 128,
        "intermediate_size": 340,
        "num_heads": 4,
        "window_size": 56,
        "out_hidden_size": 256,
        "fullatt_block_indexes": [1, 3],
        "tokens_per_second": 2,
    }
    ids = {"image_token_id": image, "video_token_id": video, "vision_start_token_id": start, "vision_end_token_id": end}
    return Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=False, **ids)


def make_tokenizer() -> Any:
    """A tokenizer trained on questions and answers."""
    rng, texts = random.Random("tokenizer"), ["You are a helpful assistant.", "system", "user", "assistant"] * 50
    for _ in range(1000):
        scene = random_scene(rng, 112, 168)
        way, frames = random_video(rng, 112, 168, 4)
        asked = questions_about(rng, scene, 5) + questions_about_video(rng, frames[0].things[0], way)
        asked += [description(rng, scene), text_only(rng)]
        texts += [text for question in asked for text in (question.text, question.answer)]
    texts += ["Which picture has a star, the first or the second?", "How many shapes are in the second picture?"] * 50
    return around(train_bpe(texts, VOCABULARY, VISION_SPECIALS))


def around(bpe: Tokenizer) -> Any:
    """The transformers tokenizer around `bpe`."""
    return chat_tokenizer(bpe, CONTEXT, VISION_CHAT_TEMPLATE)


def schedule(progress: float) -> float:
    """Share of the peak rate: up, level, and down to nothing as a cosine."""
    if progress < WARM_UP:
        return progress / WARM_UP + 1e-3
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - WARM_UP) / (1 - WARM_UP))))


def optimizers(model: Any, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside, AdamW for embeddings, heads, the patches' convolution, norms and biases."""
    outside = ("embed_tokens", "lm_head", "patch_embed")
    inside, others = [], []
    for name, parameter in model.named_parameters():
        hidden = parameter.ndim == 2 and name.startswith("0.") and not any(part in name for part in outside)
        (inside if hidden else others).append(parameter)
    return [
        torch.optim.Muon(inside, lr=rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.01),
    ]


class Trainer:
    """A training run."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.rng, self.curve = args, random.Random(f"training {args.seed}"), []
        self.tokenizer = make_tokenizer()
        self.writer = Writer(self.tokenizer, LENGTH)
        self.model = Qwen2_5_VLForConditionalGeneration(configuration())
        self.marker = torch.nn.Linear(256, len(KINDS) + 1 + len(COLORS) + 9)  # what each image token shows
        visual = self.model.model.visual
        self.windows = {size: Windows(visual, size[0] // PATCH, size[1] // PATCH) for size in SIZES}
        self.compiled = torch.compile(self.losses, dynamic=False)
        self.optims = optimizers(torch.nn.ModuleList([self.model, self.marker]), args.rate)

    def resume(self, kept: Path) -> None:
        """Takes the weights and the tokenizer that another run kept."""
        weights = torch.load(kept, weights_only=True)
        self.tokenizer = around(Tokenizer.from_str(weights["tokenizer"]))
        self.writer = Writer(self.tokenizer, LENGTH)
        self.model.load_state_dict(weights["model"])
        self.marker.load_state_dict(weights["marker"])

    def batch(self, examples: list[Example]) -> dict[str, torch.Tensor]:
        """Examples as tensors."""
        return {name: torch.from_numpy(array) for name, array in collate(examples, LENGTH).items()}

    def losses(self, batch: dict[str, torch.Tensor], windows: Windows) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the answers, and of what the image tokens say of themselves."""
        with torch.autocast("cpu", torch.bfloat16):
            logits, seen = all_logits(self.model, batch, windows)
            marked = self.marker(seen)
        kind, color, place = marked.float().split([len(KINDS) + 1, len(COLORS), 9], dim=-1)
        marks = batch["marks"]
        auxiliary = F.cross_entropy(kind, marks[:, 0], ignore_index=IGNORED) * 3
        auxiliary = auxiliary + F.cross_entropy(color, marks[:, 1], ignore_index=IGNORED)
        auxiliary = auxiliary + F.cross_entropy(place, marks[:, 2], ignore_index=IGNORED)
        answers = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), batch["labels"][:, 1:].flatten())
        return answers, auxiliary

    def step(self, progress: float) -> tuple[float, float]:
        """One update; returns its losses."""
        for group in (group for optim in self.optims for group in optim.param_groups):
            group["lr"] = self.args.rate * schedule(progress)
        size = self.rng.choices(list(SIZES), list(SIZES.values()))[0]
        batch = self.batch(self.writer.batch(self.rng, size, self.args.batch))
        answers, auxiliary = self.compiled(batch, self.windows[size])
        (answers + self.args.auxiliary * (1 - progress) * auxiliary).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optim in self.optims:
            optim.step()
            optim.zero_grad(set_to_none=True)
        return float(answers.detach()), float(auxiliary.detach())

    @torch.no_grad()
    def accuracy(self, batches: int = 4) -> dict[str, float]:
        """Share of right answers by kind of question, on images of another seed; right means every token is."""
        rng, right, asked = random.Random("validation"), Counter[str](), Counter[str]()
        for size in SIZES:
            for _ in range(batches):
                examples = self.writer.batch(rng, size, 1)
                batch = self.batch(examples)
                with torch.autocast("cpu", torch.bfloat16):
                    best = all_logits(self.model, batch, self.windows[size])[0].argmax(dim=-1)
                same = best[:, :-1] == batch["labels"][:, 1:]
                for row, example in enumerate(examples):
                    for start, end, kind in example.answers:
                        asked[kind] += 1
                        right[kind] += bool(same[row, start - 1 : end - 1].all())
        return {"all": right.total() / asked.total()} | {kind: right[kind] / asked[kind] for kind in sorted(asked)}

    def run(self) -> None:
        """Trains until the time is over."""
        began, step, recent = time.time(), 0, []
        while (progress := (time.time() - began) / (60 * self.args.minutes)) < 1:
            recent.append(self.step(progress))
            step += 1
            if step % self.args.every == 0:
                self.report(step, progress, recent)
                recent = []
        self.report(step, 1.0, recent)

    def report(self, step: int, progress: float, recent: list[tuple[float, float]]) -> None:
        """Prints and keeps a point of the curve, and the weights so far."""
        losses = torch.tensor(recent or [(math.nan, math.nan)]).mean(dim=0)
        right = {kind: round(share, 4) for kind, share in self.accuracy().items()}
        self.curve.append({"step": step, "progress": round(progress, 4), "loss": round(float(losses[0]), 4)} | right)
        shares = "  ".join(f"{kind} {100 * share:.0f}" for kind, share in right.items())
        print(f"{step} {progress:.3f}  loss {losses[0]:.3f} {losses[1]:.3f}  {shares}", flush=True)
        parts = {"model": self.model.state_dict(), "marker": self.marker.state_dict()}
        torch.save(parts | {"tokenizer": self.tokenizer.backend_tokenizer.to_str()}, self.args.kept)


def save(trainer: Trainer) -> None:
    """Writes the float16 checkpoint, the processor's files, and beside them training.json: settings and curve."""
    model, output = trainer.model, trainer.args.output
    ends = trainer.tokenizer.convert_tokens_to_ids([TURN_END, END_OF_TEXT])
    model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=ends[1], do_sample=False)
    model.half().save_pretrained(output)
    save_tokenizer(trainer.tokenizer, output)
    (output / "model.safetensors").chmod(0o644)
    config = preprocessor_config(model.config.model_type, SMALLEST, LARGEST)
    write_json(output / "preprocessor_config.json", config)
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(trainer.args).items()}
    record = {"settings": settings, "parameters": model.num_parameters(), "curve": trainer.curve}
    write_json(output / "training.json", record)


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON."""
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="checkpoint folder to write")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=1, help="examples an update, times 32")
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate")
    parser.add_argument("--auxiliary", type=float, default=1.0, help="weight of the image tokens' own loss; it fades")
    parser.add_argument("--every", type=int, default=200, help="updates between reports")
    parser.add_argument("--kept", type=Path, default=Path("out/vl.pt"), help="file for the weights so far")
    parser.add_argument("--resume", type=Path, help="file of weights that an earlier run kept, to go on from")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Trains and saves."""
    args = arguments()
    args.kept.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("medium")
    trainer = Trainer(args)
    print(f"{trainer.model.num_parameters():,} parameters")
    if args.resume:
        trainer.resume(args.resume)
    trainer.run()
    save(trainer)


if __name__ == "__main__":
    main()
