"""Answers are right: what a question says of a scene is counted again from the scene."""

import random

import pytest
from drawing import COLORS, Scene, Thing, random_scene, random_video
from image_questions import ABOUT_AN_IMAGE, choice, description, questions_about, questions_about_video, text_only


def thing(kind, color, row, column):
    return Thing(kind, color, row, column, (row + 0.5) / 3, (column + 0.5) / 3, 12, 0, COLORS[color])


SCENE = Scene(
    112,
    168,
    (255, 255, 255),
    (
        thing("circle", "red", 0, 0),
        thing("circle", "blue", 0, 2),
        thing("7", "green", 1, 1),
        thing("star", "red", 2, 1),
    ),
)
ANSWERS = {
    "How many shapes are there?": "3",
    "How many circles are there?": "2",
    "How many red shapes are there?": "2",
    "How many squares are there?": "0",
    "What colour is the star?": "red",
    "What colour is the digit?": "green",
    "Which shape is blue?": "circle",
    "Where is the star?": "bottom",
    "Where is the digit?": "middle",
    "What is at the top left?": "a red circle",
    "What is in the middle?": "a green 7",
    "What is on the left?": "nothing",
    "Which digit is in the picture?": "7",
    "Is there a blue circle?": "yes",
    "Is there a blue star?": "no",
    "Is there a star?": "yes",
}


@pytest.fixture(scope="module")
def asked():
    rng = random.Random(0)
    questions = (ask(rng, SCENE) for _ in range(2000) for ask in ABOUT_AN_IMAGE.values())
    return {question.text: question.answer for question in questions if question is not None}


@pytest.mark.parametrize("text", ANSWERS)
def test_answers_are_right(asked, text):
    assert asked[text] == ANSWERS[text]


def test_what_has_no_single_answer_is_not_asked(asked):
    assert "What colour is the circle?" not in asked
    assert "Which shape is red?" not in asked
    assert "Which shape is green?" not in asked


def test_description_names_everything_in_reading_order():
    expected = (
        "a red circle at the top left, a blue circle at the top right, "
        "a green 7 in the middle, a red star at the bottom."
    )
    assert description(random.Random(0), SCENE).answer == expected


def test_two_images():
    other = Scene(112, 168, (0, 0, 0), (thing("cross", "red", 0, 1),))
    rng = random.Random(0)
    asked = {question.text: question.answer for question in (choice(rng, (SCENE, other)) for _ in range(99))}
    assert asked["Which picture has a cross, the first or the second?"] == "the second"
    assert asked["Which picture has a star, the first or the second?"] == "the first"
    assert asked["How many shapes are in the second picture?"] == "1"


def test_videos_and_text():
    rng = random.Random(0)
    way, frames = random_video(rng, 112, 112, 4)
    assert way in [question.answer for question in questions_about_video(rng, frames[0].things[0], way)]
    asked = {question.text: question.answer for question in (text_only(rng) for _ in range(500))}
    assert asked["What is 3 plus 4?"] == "7"
    assert asked["What is the opposite of left?"] == "right"
    assert asked["Is red a colour?"] == "yes"


def test_questions_differ_and_give_no_answers_away():
    rng = random.Random(0)
    for _ in range(100):
        questions = questions_about(rng, random_scene(rng, 112, 168), 5)
        assert len({question.text for question in questions}) == 5
        assert all(question.kind != "description" for question in questions)


def test_yes_is_as_frequent_as_no():
    rng = random.Random(0)
    answers = [ABOUT_AN_IMAGE["existence"](rng, random_scene(rng, 112, 168)).answer for _ in range(2000)]
    assert 0.42 < answers.count("yes") / len(answers) < 0.58
