"""Drawn images depend on their seed alone, and show what the scene says where it says it."""

import random

import numpy as np
import pytest
from drawing import COLORS, DIGITS, SHAPES, Scene, Thing, draw, random_scene, random_video


def scenes(number, size=(112, 168)):
    rng = random.Random(1)
    return [random_scene(rng, *size) for _ in range(number)]


def test_the_seed_decides():
    again = [np.asarray(draw(scene)) for scene in scenes(3)]
    assert all((np.asarray(draw(scene)) == image).all() for scene, image in zip(scenes(3), again, strict=True))
    assert not (again[0] == again[1]).all()


@pytest.mark.parametrize("size", [(112, 168), (140, 140)])
def test_things_lie_in_their_cells_in_reading_order(size):
    for scene in scenes(200, size):
        cells = [(thing.row, thing.column) for thing in scene.things]
        assert cells == sorted(set(cells))
        assert all(
            (int(thing.y * 3), int(thing.x * 3)) == cell for thing, cell in zip(scene.things, cells, strict=True)
        )
        assert sum(thing.kind in DIGITS for thing in scene.things) <= 1


@pytest.mark.parametrize("kind", [*SHAPES, "4"])
def test_a_thing_has_its_color_and_no_other_place_has(kind):
    thing = Thing(kind, "red", 0, 2, 0.2, 0.8, 15, 5, COLORS["red"])
    image = draw(Scene(112, 168, (255, 255, 255), (thing,)))
    assert image.size == (168, 112)
    red = (np.asarray(image, int) == COLORS["red"]).all(axis=-1)
    rows, columns = np.nonzero(red)
    assert 100 < len(rows) < 900
    assert rows.max() < 56
    assert columns.min() > 100


def test_shapes_differ():
    things = [Thing(kind, "red", 1, 1, 0.5, 0.5, 15, 0, COLORS["red"]) for kind in (*SHAPES, *DIGITS)]
    images = {draw(Scene(112, 168, (255, 255, 255), (thing,))).tobytes() for thing in things}
    assert len(images) == len(things)


def test_videos_move_the_way_they_say():
    rng = random.Random(2)
    for _ in range(50):
        way, frames = random_video(rng, 112, 112, 4)
        first, last = frames[0].things[0], frames[-1].things[0]
        moved = {"left": first.x - last.x, "right": last.x - first.x, "up": first.y - last.y, "down": last.y - first.y}
        assert moved[way] == pytest.approx(0.44)
        assert sum(abs(share) > 1e-9 for share in moved.values()) == 2
