"""Shapes of steps: in which folder each lies, how it is told, and in which order a package has them."""

from tyllm.package.step_shape import StepShape, step_shapes


def test_a_batch_has_several_sequences():
    assert [(shape.is_batch, shape.tokens, str(shape)) for shape in (StepShape(1, 8), StepShape(4, 1))] == [
        (False, 8, "8 tokens"),
        (True, 4, "4 sequences"),
    ]


def test_folders_are_the_manuals():
    assert StepShape(4, 1).folder.as_posix() == "batch_4/seqlen_1"


def test_programs_of_one_sequence_come_first():
    assert step_shapes((1, 8), (4,)) == [(1, 1), (1, 8), (4, 1)]
