"""Short questions about a drawn scene, two scenes or a video, and their answers."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from drawing import COLORS, DIGITS, SHAPES, Scene, Thing

ROWS, COLUMNS = ("top", "", "bottom"), ("left", "", "right")
PLURALS = {"cross": "crosses"}
CORNERS = {"circle": "0", "square": "4", "triangle": "3", "star": "10", "cross": "12"}
OPPOSITES = {"left": "right", "right": "left", "up": "down", "down": "up"}


@dataclass(frozen=True)
class Question:
    """A question, its answer, and its kind, by which accuracy is counted."""

    kind: str
    text: str
    answer: str


def place(row: int, column: int) -> str:
    """The name of a cell: "top left", "right", "middle"."""
    return f"{ROWS[row]} {COLUMNS[column]}".strip() or "middle"


def placed(row: int, column: int) -> str:
    """The name of a cell with its preposition."""
    name = place(row, column)
    return {"middle": "in the middle", "left": "on the left", "right": "on the right"}.get(name, f"at the {name}")


def with_article(thing: Thing) -> str:
    """As in "an orange star"."""
    return f"{'an' if thing.color == 'orange' else 'a'} {thing.color} {thing.kind}"


def plural(kind: str) -> str:
    """As in "stars"."""
    return PLURALS.get(kind, f"{kind}s")


def shapes(scene: Scene) -> list[Thing]:
    """The things that are no digits."""
    return [thing for thing in scene.things if thing.kind in SHAPES]


def sole(rng: random.Random, things: list[Thing], attribute: str) -> Thing | None:
    """A thing that no other equals in `attribute`, if there is one."""
    counts = Counter(getattr(thing, attribute) for thing in things)
    alone = [thing for thing in things if counts[getattr(thing, attribute)] == 1]
    return rng.choice(alone) if alone else None


def count(rng: random.Random, scene: Scene) -> Question:
    """A question for the number of things of a kind, of a color, or in all."""
    things = shapes(scene)
    present = things and rng.random() < 0.8
    way = rng.random()
    if way < 0.2:
        return Question("count", "How many shapes are there?", str(len(things)))
    if way < 0.4:
        color = rng.choice(things).color if present else rng.choice(list(COLORS))
        number = sum(thing.color == color for thing in things)
        return Question("count", f"How many {color} shapes are there?", str(number))
    kind = rng.choice(things).kind if present else rng.choice(SHAPES)
    return Question("count", f"How many {plural(kind)} are there?", str(sum(thing.kind == kind for thing in things)))


def color(rng: random.Random, scene: Scene) -> Question | None:
    """A question for the color of the only thing of a kind; None without one."""
    thing = sole(rng, list(scene.things), "kind")
    if thing is None:
        return None
    name = "digit" if thing.kind in DIGITS else thing.kind
    return Question("color", f"What colour is the {name}?", thing.color)


def shape(rng: random.Random, scene: Scene) -> Question | None:
    """A question for the only shape of a color; None without one."""
    thing = sole(rng, shapes(scene), "color")
    return thing and Question("shape", f"Which shape is {thing.color}?", thing.kind)


def position(rng: random.Random, scene: Scene) -> Question | None:
    """A question for the place of the only thing of a kind; None without one."""
    thing = sole(rng, list(scene.things), "kind")
    if thing is None:
        return None
    name = "digit" if thing.kind in DIGITS else thing.kind
    name = f"{thing.color} {name}" if rng.random() < 0.3 else name
    return Question("position", f"Where is the {name}?", place(thing.row, thing.column))


def content(rng: random.Random, scene: Scene) -> Question:
    """A question for the thing at a place."""
    cells = {(thing.row, thing.column): thing for thing in scene.things}
    cell = rng.choice(list(cells)) if rng.random() < 0.85 else (rng.randrange(3), rng.randrange(3))
    thing = cells.get(cell)
    return Question("content", f"What is {placed(*cell)}?", with_article(thing) if thing else "nothing")


def digit(rng: random.Random, scene: Scene) -> Question | None:
    """A question for the digit; None now and then where there is none."""
    digits = [thing.kind for thing in scene.things if thing.kind in DIGITS]
    if not digits and rng.random() < 0.6:
        return None
    return Question("digit", "Which digit is in the picture?", digits[0] if digits else "none")


def existence(rng: random.Random, scene: Scene) -> Question:
    """A question for the presence of a shape; half the answers are yes."""
    things = shapes(scene)
    pairs = {(thing.color, thing.kind) for thing in things}
    if things and rng.random() < 0.5:
        color, kind = rng.choice(sorted(pairs))
        answer = "yes"
    else:
        absent = [(c, k) for c in COLORS for k in SHAPES if (c, k) not in pairs]
        close = [(c, k) for c, k in absent if any(c == thing.color or k == thing.kind for thing in things)]
        color, kind = rng.choice(close or absent)
        answer = "no"
    if answer == "yes" and rng.random() < 0.3:
        return Question("existence", f"Is there a {kind}?", answer)
    if answer == "no" and rng.random() < 0.3 and (none := sorted(set(SHAPES) - {thing.kind for thing in things})):
        return Question("existence", f"Is there a {rng.choice(none)}?", answer)
    return Question("existence", f"Is there {'an' if color == 'orange' else 'a'} {color} {kind}?", answer)


def description(rng: random.Random, scene: Scene) -> Question:
    """The question for a description; the answer has everything in reading order."""
    parts = [f"{with_article(thing)} {placed(thing.row, thing.column)}" for thing in scene.things]
    return Question("description", "Describe the picture.", f"{', '.join(parts)}.")


def choice(rng: random.Random, scenes: tuple[Scene, Scene]) -> Question:
    """A question for the image that has a shape which the other has not, or for the number of shapes in one."""
    kinds = [{thing.kind for thing in shapes(scene)} for scene in scenes]
    only = [(kind, name) for i, name in enumerate(("first", "second")) for kind in sorted(kinds[i] - kinds[1 - i])]
    if only and rng.random() < 0.6:
        kind, name = rng.choice(only)
        return Question("two images", f"Which picture has a {kind}, the first or the second?", f"the {name}")
    return about_one_of(rng, scenes)


def about_one_of(rng: random.Random, scenes: tuple[Scene, Scene]) -> Question:
    """A question for the number of shapes in one of two images."""
    which = rng.randrange(2)
    text = f"How many shapes are in the {('first', 'second')[which]} picture?"
    return Question("two images", text, str(len(shapes(scenes[which]))))


def questions_about_video(rng: random.Random, thing: Thing, way: str) -> list[Question]:
    """Questions for the way in which the one thing of a video moves, and for the thing."""
    asked = [
        Question("video", f"Which way does the {thing.kind} move?", way),
        Question("video", "What moves?", with_article(thing)),
    ]
    return rng.sample(asked, 2)


def text_only(rng: random.Random) -> Question:
    """A question that needs no image."""
    a, b = rng.randint(0, 4), rng.randint(0, 5)
    color, kind, way = rng.choice(list(COLORS)), rng.choice(list(CORNERS)), rng.choice(list(OPPOSITES))
    texts = {
        f"What is {a} plus {b}?": str(a + b),
        f"Say the word {color}.": color,
        f"How many corners has a {kind}?": CORNERS[kind],
        f"What is the opposite of {way}?": OPPOSITES[way],
        f"Is {color} a colour?": "yes",
        f"Is {kind} a colour?": "no",
    }
    text = rng.choice(list(texts))
    return Question("text", text, texts[text])


ABOUT_AN_IMAGE: dict[str, Callable[[random.Random, Scene], Question | None]] = {
    "count": count,
    "color": color,
    "shape": shape,
    "position": position,
    "content": content,
    "digit": digit,
    "existence": existence,
}


HARD = ("count", "content")  # asked twice as often as the others


def questions_about(rng: random.Random, scene: Scene, number: int) -> list[Question]:
    """Different questions about a scene, none of them for a description, which would give other answers away."""
    asked: dict[str, Question] = {}
    ways = [*ABOUT_AN_IMAGE.values(), *(ABOUT_AN_IMAGE[kind] for kind in HARD)]
    while len(asked) < number:
        question = rng.choice(ways)(rng, scene)
        if question is not None:
            asked.setdefault(question.text, question)
    return list(asked.values())
