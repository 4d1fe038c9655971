"""Conversations about drawn images, as the arrays that a Qwen2.5-VL model is trained on."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from drawing import COLORS, DIGITS, SHAPES, Scene, draw, random_scene, random_video
from image_questions import Question, choice, description, questions_about, questions_about_video, text_only
from preprocessor import DEVIATION, FRAMES, MEAN, MERGE, PATCH
from tokenizer import IMAGE_PAD, VIDEO_PAD, VISION_END, VISION_START

UNIT = PATCH * MERGE  # pixels a side of an image token
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
SECONDS_A_PATCH = 2  # positions between the temporal patches of a video: tokens_per_second × a second
DESCRIBED = 0.25  # share of the images whose description is asked for
IGNORED = -100  # label of a token that is no answer
KINDS = (*SHAPES, *DIGITS)
NOTHING = len(KINDS)

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class Example:
    """A conversation.

    Attributes:
        ids: Token ids.
        labels: The same where the assistant speaks, IGNORED elsewhere.
        spans: (start, (t, h, w) in image tokens, is it a video) of each image's tokens.
        slices: Scenes, one frame or two for each temporal patch.
        answers: (start, end, kind of the question) of each answer's tokens.
    """

    ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    spans: list[tuple[int, tuple[int, int, int], bool]] = field(default_factory=list)
    slices: list[tuple[Scene, ...]] = field(default_factory=list)
    answers: list[tuple[int, int, str]] = field(default_factory=list)

    def add(self, ids: Sequence[int], spoken: bool = False) -> None:
        """Appends text; `spoken` by the assistant."""
        self.ids += ids
        self.labels += ids if spoken else [IGNORED] * len(ids)

    def show(self, tokenizer: Any, slices: list[tuple[Scene, ...]]) -> None:
        """Appends an image of one slice, or a video of several."""
        video = len(slices) > 1
        start, pad, end = tokenizer.convert_tokens_to_ids([VISION_START, VIDEO_PAD if video else IMAGE_PAD, VISION_END])
        grid = len(slices), slices[0][0].height // UNIT, slices[0][0].width // UNIT
        self.add([start])
        self.spans.append((len(self.ids), grid, video))
        self.add([pad] * (grid[0] * grid[1] * grid[2]))
        self.add([end])
        self.slices += slices


class Writer:
    """Writes examples of `length` tokens at most with a tokenizer."""

    def __init__(self, tokenizer: Any, length: int) -> None:
        self.tokenizer, self.length = tokenizer, length
        self.tokens = cache(lambda text: tuple(tokenizer(text)["input_ids"]))

    def begin(self, *shown: list[tuple[Scene, ...]]) -> Example:
        """A conversation with its system turn, and the images (a video: several slices) that its first turn shows."""
        example = Example()
        example.add(self.tokens(SYSTEM))
        example.add(self.tokens("<|im_start|>user\n"))
        for slices in shown:
            example.show(self.tokenizer, slices)
        return example

    def ask(self, example: Example, questions: list[Question]) -> Example:
        """Appends as many of the questions, with their answers, as there is room for; the user's turn has begun."""
        for i, question in enumerate(questions):
            head = self.tokens("<|im_start|>user\n") if i else ()
            text = (*head, *self.tokens(question.text), *self.tokens("<|im_end|>\n<|im_start|>assistant\n"))
            answer = self.tokens(f"{question.answer}<|im_end|>")
            if len(example.ids) + len(text) + len(answer) < self.length:
                example.add(text)
                example.answers.append((len(example.ids), len(example.ids) + len(answer), question.kind))
                example.add(answer, spoken=True)
                example.add(self.tokens("\n"))
        return example

    def about_image(self, rng: random.Random, size: tuple[int, int]) -> Example:
        """One image; a quarter of the time the first answer describes it."""
        scene = random_scene(rng, *size)
        first = [description(rng, scene)] if rng.random() < DESCRIBED else []
        return self.ask(self.begin([(scene,)]), [*first, *questions_about(rng, scene, 6 - 3 * len(first))])

    def about_another(self, rng: random.Random, size: tuple[int, int]) -> Example:
        """One image and a question, then another."""
        one, other = random_scene(rng, *size), random_scene(rng, *size)
        example = self.ask(self.begin([(one,)]), questions_about(rng, one, 2)[:1])
        example.add(self.tokens("<|im_start|>user\n"))
        example.show(self.tokenizer, [(other,)])
        return self.ask(example, questions_about(rng, other, 3))

    def about_two(self, rng: random.Random, size: tuple[int, int]) -> Example:
        """Two images in one message."""
        pair = random_scene(rng, *size), random_scene(rng, *size)
        return self.ask(self.begin(*([(scene,)] for scene in pair)), [choice(rng, pair) for _ in range(4)])

    def about_video(self, rng: random.Random, size: tuple[int, int]) -> Example:
        """A video of four frames."""
        way, frames = random_video(rng, *size, 4)
        slices = [tuple(frames[i : i + FRAMES]) for i in range(0, len(frames), FRAMES)]
        return self.ask(self.begin(slices), questions_about_video(rng, frames[0].things[0], way))

    def about_nothing(self, rng: random.Random, size: tuple[int, int]) -> Example:
        """No image."""
        return self.ask(self.begin(), [text_only(rng) for _ in range(8)])

    def batch(self, rng: random.Random, size: tuple[int, int], number: int) -> list[Example]:
        """Examples of every kind, 32 of them `number` times."""
        shares = {
            self.about_image: 25,
            self.about_another: 1,
            self.about_two: 3,
            self.about_video: 2,
            self.about_nothing: 1,
        }
        return [write(rng, size) for write, share in shares.items() for _ in range(share * number)]


@cache
def shade_table() -> Array:
    """(256, 3) what each shade of each channel is after rescaling and normalizing."""
    mean, deviation = np.array(MEAN, np.float32), np.array(DEVIATION, np.float32)
    return (np.arange(256, dtype=np.float32)[:, None] / np.float32(255) - mean) / deviation


def patches(frames: Sequence[Scene]) -> Array:
    """(h·w, 1176) float32 patches of a temporal patch: one frame twice, or two. As Qwen2-VL's processor has them."""
    shades = shade_table()
    pixels = np.stack([shades[np.asarray(draw(scene)), np.arange(3)] for scene in frames])  # frames, H, W, 3
    count, height, width, _ = pixels.shape
    blocks = pixels.reshape(count, height // UNIT, MERGE, PATCH, width // UNIT, MERGE, PATCH, 3)
    blocks = blocks.transpose(1, 4, 2, 5, 7, 0, 3, 6)  # rows, columns of tokens, rows, columns in a token, channel, …
    blocks = np.broadcast_to(blocks, (*blocks.shape[:5], FRAMES, PATCH, PATCH))
    return blocks.reshape(-1, 3 * FRAMES * PATCH * PATCH)


def rope_index(example: Example, length: int) -> Array:
    """(3, length) temporal, row and column positions, as transformers' get_rope_index gives them."""
    positions = np.zeros((3, length), np.int64)
    done = following = 0
    for start, (t, h, w), video in example.spans:
        positions[:, done:start] = np.arange(following, following + start - done)
        following += start - done
        index = np.indices((t, h, w)).reshape(3, -1)
        index[0] *= SECONDS_A_PATCH if video else 1
        done = start + t * h * w
        positions[:, start:done] = index + following
        following += max(h, w)
    positions[:, done:] = np.arange(following, following + length - done)
    return positions


def marks(frames: Sequence[Scene]) -> Array:
    """(tokens, 3) kind (or NOTHING), color and place of the thing whose center each image token covers."""
    scene = frames[-1]
    rows, columns = scene.height // UNIT, scene.width // UNIT
    marked = np.full((rows, columns, 3), IGNORED, np.int64)
    marked[..., 0] = NOTHING
    for thing in scene.things:
        place = 3 * thing.row + thing.column
        marked[int(thing.y * rows), int(thing.x * columns)] = (
            KINDS.index(thing.kind),
            list(COLORS).index(thing.color),
            place,
        )
    if len(frames) > 1:
        marked[:] = IGNORED
    return marked.reshape(-1, 3)


def collate(examples: list[Example], length: int) -> dict[str, Array]:
    """A batch of arrays.

    ids, labels, images (the index of the image token that stands there, or -1): (examples, length); positions:
    (3, examples, length); patches: (slices, h·w, 1176); marks: (slices · tokens, 3).
    """
    shape = len(examples), length
    ids, images, labels = np.zeros(shape, np.int64), np.full(shape, -1), np.full(shape, IGNORED)
    seen = 0
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = example.ids
        labels[row, : len(example.labels)] = example.labels
        for start, (t, h, w), _ in example.spans:
            images[row, start : start + t * h * w] = np.arange(seen, seen + t * h * w)
            seen += t * h * w
    slices = [frames for example in examples for frames in example.slices]
    return {
        "ids": ids,
        "labels": labels,
        "images": images,
        "positions": np.stack([rope_index(example, length) for example in examples], axis=1),
        "patches": np.stack([patches(frames) for frames in slices]),
        "marks": np.concatenate([marks(frames) for frames in slices]),
    }
