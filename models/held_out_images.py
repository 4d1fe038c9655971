"""Held-out images and films with a question each: what the accuracy of the small VLM is measured on."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from drawing import Scene, draw, random_film, random_scene
from image_questions import ABOUT_AN_IMAGE, Question, choice, description, questions_about_film, text_only

SIZES = ((112, 168), (140, 140))  # height, width, as in training
KINDS = (*ABOUT_AN_IMAGE, "description", "two pictures", "film", "text")
FILM_FRAMES, FILM_RATE = 4, 2.0  # two frames a second: a second a temporal patch


@dataclass(frozen=True)
class Case:
    """A question and what it is about.

    Attributes:
        question: With its answer and kind.
        images: RGB images, as many as belong before the question.
        film: The frames of a film; empty if it is about images or nothing.
    """

    question: Question
    images: tuple[Any, ...] = ()
    film: tuple[Any, ...] = ()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The chat that asks it."""
        parts: list[dict[str, Any]] = [{"type": "image", "image": image} for image in self.images]
        if self.film:
            parts.append({"type": "video", "video": list(self.film), "fps": FILM_RATE})
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
    if kind == "two pictures":
        pair: tuple[Scene, Scene] = random_scene(rng, *size), random_scene(rng, *size)
        return Case(choice(rng, pair), tuple(map(draw, pair)))
    if kind == "film":
        way, frames = random_film(rng, *size, FILM_FRAMES)
        question = questions_about_film(rng, frames[0].things[0], way)[0]
        return Case(question, film=tuple(map(draw, frames)))
    return about_a_scene(rng, kind, size)


def cases(number: int, seed: int = 0, sizes: tuple[tuple[int, int], ...] = SIZES) -> Iterator[Case]:
    """`number` cases, the kinds and then the sizes in turn; of another stream than the images trained on."""
    rng, kinds = random.Random(f"held out {seed}"), cycle(KINDS)
    for i in range(number):
        yield case(rng, next(kinds), sizes[i // len(KINDS) % len(sizes)])
