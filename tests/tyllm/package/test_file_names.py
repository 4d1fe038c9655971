"""The names of the files are the manual's."""

from tyllm.package.file_names import code_file, constants_file, params_file
from tyllm.package.step_shape import StepShape


def test_names():
    assert str(params_file(2)) == "batch_1/common_die2.params"
    assert str(constants_file(0, StepShape(1, 96))) == "batch_1/seqlen_96/llm_die0.params"
    assert str(code_file(3, StepShape(4, 1))) == "batch_4/seqlen_1/llm_die3.so"
