"""Held-out images and videos with a question each: what the accuracy of the small VLM is measured on."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from drawing import Scene, draw, random_scene, random_video
from image_questions import ABOUT_AN_IMAGE, Question, choice, description, questions_about_video, text_only

SIZES = ((112, 168), (140, 140))  # height, width, as in training
KINDS = (*ABOUT_AN_IMAGE, "description", "two images", "video", "text")
VIDEO_FRAMES, VIDEO_RATE = 4, 2.0  # two frames a second: a second a temporal patch


@dataclass(frozen=True)
class Case:
    """A question and what it is about.

    Attributes:
        question: With its answer and kind.
        images: RGB images, as many as belong before the question.
        video: The frames of a video; empty if it is about images or nothing.
    """

    question: Question
    images: tuple[Any, ...] = ()
    video: tuple[Any, ...] = ()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The chat that asks it."""
        parts: list[dict[str, Any]] = [{"type": "image", "image": image} for image in self.images]
        if self.video:
            parts.append({"type": "video", "video": list(self.video), "fps": VIDEO_RATE})
        return [{"role": "user", "content": [*parts, {"type": "text", "text": self.question.text}]}]


def about_a_scene(rng: random.Random, kind: str, size: tuple[int, int]) -> Case:
    """A question of that kind about a scene that allows it."""
    ask = ABOUT_AN_IMAGE.get(kind, description)
    while True:
        scene = random_scene(rng, *size)
        question = ask(rng, scene)
        if question is not None:
            return Case(question, (draw(scene),))


def case(rng: random.Random, kind: str, size: tuple[int, int]) -> Case:
    """A case of that kind (of KINDS), its images of `size`."""
    if kind == "text":
        return Case(text_only(rng))
    if kind == "two images":
        pair: tuple[Scene, Scene] = random_scene(rng, *size), random_scene(rng, *size)
        return Case(choice(rng, pair), tuple(map(draw, pair)))
    if kind == "video":
        way, frames = random_video(rng, *size, VIDEO_FRAMES)
        question = questions_about_video(rng, frames[0].things[0], way)[0]
        return Case(question, video=tuple(map(draw, frames)))
    return about_a_scene(rng, kind, size)


def cases(number: int, seed: int = 0, sizes: tuple[tuple[int, int], ...] = SIZES) -> Iterator[Case]:
    """`number` cases, the kinds and then the sizes in turn; of another stream than the images trained on."""
    rng, kinds = random.Random(f"held out {seed}"), cycle(KINDS)
    for i in range(number):
        yield case(rng, next(kinds), sizes[i // len(KINDS) % len(sizes)])
