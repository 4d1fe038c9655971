"""program.json is read by die and sequence length; one that is damaged is told with the field that is missing."""

import copy
import json

import pytest

from tyllm.package.program_file import BufferPlace, ProgramStep, ProgramSteps, StepCost, read_program_file
from tyllm.package.step_shape import StepShape
from tyllm_base.errors import PackageError

STEP = {
    "kernel": "linear_w4a8",
    "reads": ["x", "weight"],
    "writes": ["y"],
    "barrier_before": True,
    "cost": {"operations": {"int8": 64, "float32": 2}, "bytes_read": 72, "bytes_written": 8},
}
PROGRAM = {
    "body": [STEP],
    "head": [],
    "buffers": {
        "x": {"place": "arena", "offset": 0, "bytes": 8},
        "weight": {"place": "params", "offset": 64, "bytes": 64},
    },
}
FILE = {"format_version": 1, "dies": [{"die": 0, "programs": {"1": PROGRAM, "8": PROGRAM}}]}


def test_steps_by_die_and_sequence_length(tmp_path):
    (tmp_path / "program.json").write_text(json.dumps(FILE))
    step = ProgramStep("linear_w4a8", ("x", "weight"), ("y",), True, StepCost({"int8": 64, "float32": 2}, 72, 8))
    buffers = {"x": BufferPlace("arena", 0, 8), "weight": BufferPlace("params", 64, 64)}
    steps = ProgramSteps((step,), (), buffers)
    assert read_program_file(tmp_path) == {0: {StepShape(1, 1): steps, StepShape(1, 8): steps}}
    assert [steps.parameter_bytes(name) for name in ("x", "weight", "other")] == [0, 64, 0]


@pytest.mark.parametrize("field", ["kernel", "reads", "barrier_before", "cost"])
def test_a_field_that_is_missing(tmp_path, field):
    damaged = copy.deepcopy(FILE)
    del damaged["dies"][0]["programs"]["8"]["body"][0][field]
    (tmp_path / "program.json").write_text(json.dumps(damaged))
    with pytest.raises(PackageError, match=f"missing required field `{field}`"):
        read_program_file(tmp_path)
