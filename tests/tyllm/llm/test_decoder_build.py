"""The decoder's tasks: the weights, and one program for each shape of die and length; equal dies get copies."""

from dataclasses import replace

import pytest
from tests.tyllm.llm.test_compile_settings import GOOD

from tyllm.llm.decoder_build import DecoderBuild
from tyllm.llm.package_job import prepare
from tyllm.package import Params
from tyllm.package.file_names import code_file, constants_file, params_file
from tyllm.package.step_shape import StepShape

ONE, FOUR, BATCH = StepShape(1, 1), StepShape(1, 4), StepShape(3, 1)


@pytest.fixture
def build(tiny, tmp_path):
    settings = replace(
        GOOD, model_path=tiny, artifacts_path=tmp_path / "package", dies=4, seq_lens=(1, 4), batch_sizes=(3,)
    )
    return DecoderBuild(prepare(settings), tmp_path, [])


def test_dies_of_equal_shapes_share_a_program(build):
    """192 inputs of the MLP are six groups of 32: two dies hold two, two hold one."""
    assert build.program_keys() == [(die, shape) for die in (0, 2) for shape in (ONE, FOUR, BATCH)]
    assert len(build.tasks()) == 1 + 6


def test_weights_are_written_for_each_die(build, tmp_path):
    said = []
    files = build.tasks()[0](lambda amount, what: said.append(what))
    assert set(files) == {params_file(die).as_posix() for die in range(4)}
    assert "pack model.embed_tokens.weight" in said
    for die in build.job.plan.dies:
        assert list(Params(tmp_path / params_file(die.die)).tensors) == list(die.tensor_specs())


def test_finish_copies_what_dies_share(build, tmp_path):
    for die, shape in build.program_keys():
        for name in (code_file(die, shape), constants_file(die, shape)):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"{die} {shape}")
    first, second = ([f"{die} {shape}" for shape in (ONE, FOUR, BATCH)] for die in (0, 2))
    found = build.finish([*first, *second])
    assert found == [dict(zip((ONE, FOUR, BATCH), own, strict=True)) for own in (first, first, second, second)]
    assert (tmp_path / code_file(1, FOUR)).read_text() == "0 4 tokens"
    assert (tmp_path / constants_file(3, BATCH)).read_text() == "2 3 sequences"


def test_a_program_has_the_graph_of_its_die(build):
    captured = build._capture(2, FOUR)
    assert captured.inputs == ["positions", "row", "tokens"]
    planned = build._plan(captured, 2, FOUR)
    assert planned.layouts["params"] == build.job.plan.dies[2].layout and planned.head


def test_a_batch_is_told_of_each_row_where_it_is_and_how_many_are_in_use(build):
    one, batch = (build._plan(build._capture(0, shape), 0, shape).layouts for shape in (ONE, BATCH))
    assert batch["kv"] == one["kv"] and batch["params"] == one["params"]
    own = {"slot": (3,), "row_count": (1,), "logit_count": (1,)}
    assert {name: batch["io"].specs[name].shape for name in own} == own and not own.keys() & one["io"].specs.keys()
    assert batch["io"].specs["position"].shape == batch["io"].specs["row"].shape == (3,)
    assert batch["io"].specs["logits"].shape[-2] == 3
