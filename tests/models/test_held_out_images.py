"""Held-out cases are of every kind and size, the same each time, and none that training draws."""

from collections import Counter

from held_out_images import KINDS, SIZES, cases


def test_every_kind_in_both_sizes():
    found = list(cases(2 * len(KINDS)))
    assert Counter(case.question.kind for case in found) == dict.fromkeys(KINDS, 2)
    assert {image.size[::-1] for case in found for image in case.images} == set(SIZES)


def test_the_seed_decides():
    one, again, other = (list(cases(24, seed)) for seed in (0, 0, 1))
    assert [case.question for case in one] == [case.question for case in again]
    assert [case.images for case in one] == [case.images for case in again]
    assert [case.question for case in one] != [case.question for case in other]


def test_messages_carry_what_they_are_about():
    for case in cases(len(KINDS)):
        (message,) = case.messages
        kinds = [part["type"] for part in message["content"]]
        assert kinds == ["image"] * len(case.images) + ["video"] * bool(case.video) + ["text"]
        assert {"text": 0, "video": 0, "two images": 2}.get(case.question.kind, 1) == len(case.images)
