"""Images of colored shapes and digits, and short videos of them, drawn from a seed: what the small VLM looks at."""

import math
import random
from dataclasses import dataclass, replace
from functools import cache

from PIL import Image, ImageDraw, ImageFont

SHAPES = ("circle", "square", "triangle", "star", "cross")
DIGITS = tuple("0123456789")
COLORS = {
    "red": (220, 30, 30),
    "green": (30, 160, 50),
    "blue": (40, 70, 220),
    "yellow": (240, 215, 30),
    "purple": (150, 40, 180),
    "orange": (250, 130, 20),
}
BACKGROUNDS = ((255, 255, 255), (235, 235, 235), (200, 205, 215), (225, 235, 220), (25, 25, 30), (60, 62, 68))
CELLS = 3  # rows and columns of places that have a name
FINER = 3  # shapes are drawn so many times larger and shrunk: smooth edges
MOVES = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}


@dataclass(frozen=True)
class Thing:
    """A shape or a digit.

    Attributes:
        kind: Of SHAPES or DIGITS.
        color: Of COLORS.
        row: Of the place that it stands in, from the top.
        column: From the left.
        y: Its center, as a share of the image's height.
        x: As a share of the image's width.
        radius: In pixels.
        turn: Degrees.
        tint: Red, green and blue as drawn: its color with a little chance.
    """

    kind: str
    color: str
    row: int
    column: int
    y: float
    x: float
    radius: float
    turn: float
    tint: tuple[int, int, int]


@dataclass(frozen=True)
class Scene:
    """An image's content: `height` × `width` pixels, and the things on it in reading order."""

    height: int
    width: int
    background: tuple[int, int, int]
    things: tuple[Thing, ...]


def near(rng: random.Random, color: tuple[int, int, int], by: int) -> tuple[int, int, int]:
    """A color that differs from `color` by at most `by` in each channel."""
    red, green, blue = (min(255, max(0, value + rng.randint(-by, by))) for value in color)
    return red, green, blue


def random_thing(rng: random.Random, size: tuple[int, int], cell: tuple[int, int], kind: str, color: str) -> Thing:
    """A thing that lies within its cell, give or take two pixels."""
    cell_height, cell_width = (length / CELLS for length in size)
    radius = rng.uniform(0.36, 0.46) * min(cell_height, cell_width)
    room_y, room_x = (max(0.0, length / 2 + 2 - radius) / length for length in (cell_height, cell_width))
    y = (cell[0] + 0.5 + rng.uniform(-room_y, room_y) * 0.8) / CELLS
    x = (cell[1] + 0.5 + rng.uniform(-room_x, room_x) * 0.8) / CELLS
    return Thing(kind, color, *cell, y, x, radius, rng.uniform(-12, 12), near(rng, COLORS[color], 14))


def random_scene(rng: random.Random, height: int, width: int, things: tuple[int, int] = (1, 6)) -> Scene:
    """A scene of so many things (lowest, highest number); one digit at most; few kinds and colors: some repeat."""
    count = rng.randint(*things)
    cells = sorted(rng.sample([(row, column) for row in range(CELLS) for column in range(CELLS)], count))
    kinds, colors = rng.sample(SHAPES, rng.randint(2, len(SHAPES))), rng.sample(list(COLORS), rng.randint(2, 6))
    drawn = [rng.choice(kinds) for _ in cells]
    if rng.random() < 0.6:
        drawn[rng.randrange(count)] = rng.choice(DIGITS)
    pairs = zip(cells, drawn, strict=True)
    made = tuple(random_thing(rng, (height, width), cell, kind, rng.choice(colors)) for cell, kind in pairs)
    return Scene(height, width, near(rng, rng.choice(BACKGROUNDS), 8), made)


def random_video(rng: random.Random, height: int, width: int, frames: int) -> tuple[str, list[Scene]]:
    """A shape that crosses the middle cells: the way it goes (of MOVES), and a scene a frame."""
    kind, way = rng.choice(SHAPES), rng.choice(list(MOVES))
    thing = random_thing(rng, (height, width), (1, 1), kind, rng.choice(list(COLORS)))
    background = near(rng, rng.choice(BACKGROUNDS), 8)
    down, right = MOVES[way]
    steps = [0.22 * (2 * frame / (frames - 1) - 1) for frame in range(frames)]
    placed = [replace(thing, y=thing.y + down * step, x=thing.x + right * step) for step in steps]
    return way, [Scene(height, width, background, (thing,)) for thing in placed]


def corners(kind: str) -> list[tuple[float, float]]:
    """(x, y) corners of a shape around the origin, within the circle of radius one."""
    if kind == "cross":
        arm, thick = 0.94, 0.33
        return [
            (-thick, -arm), (thick, -arm), (thick, -thick), (arm, -thick), (arm, thick), (thick, thick),
            (thick, arm), (-thick, arm), (-thick, thick), (-arm, thick), (-arm, -thick), (-thick, -thick),
        ]  # fmt: skip
    count, start, depths = {"square": (4, 45, (1, 1)), "triangle": (3, -90, (1, 1)), "star": (10, -90, (1, 0.42))}[kind]
    angles = [math.radians(start + 360 * i / count) for i in range(count)]
    return [(depths[i % 2] * math.cos(angle), depths[i % 2] * math.sin(angle)) for i, angle in enumerate(angles)]


def outline(thing: Thing, center: tuple[float, float], radius: float) -> list[tuple[float, float]]:
    """Corners of the shape as it lies in the image."""
    turn = math.radians(thing.turn)
    cosine, sine = radius * math.cos(turn), radius * math.sin(turn)
    return [(center[0] + x * cosine - y * sine, center[1] + x * sine + y * cosine) for x, y in corners(thing.kind)]


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own typeface."""
    return ImageFont.load_default(size)


def draw_thing(draw: ImageDraw.ImageDraw, thing: Thing, scene: Scene) -> None:
    """Draws the thing, FINER times enlarged."""
    x, y, radius = thing.x * scene.width * FINER, thing.y * scene.height * FINER, thing.radius * FINER
    if thing.kind in DIGITS:
        draw.text((x, y), thing.kind, fill=thing.tint, font=font(round(radius * 2.6)), anchor="mm")
    elif thing.kind == "circle":
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=thing.tint)
    else:
        draw.polygon(outline(thing, (x, y), radius), fill=thing.tint)


def draw(scene: Scene) -> Image.Image:
    """The scene as an RGB image."""
    image = Image.new("RGB", (scene.width * FINER, scene.height * FINER), scene.background)
    pen = ImageDraw.Draw(image)
    for thing in scene.things:
        draw_thing(pen, thing, scene)
    return image.reduce(FINER)
