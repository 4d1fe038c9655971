"""The decoder's tasks: the weights, and one program for each shape of die and length; equal dies get copies."""

from dataclasses import replace

import pytest
from tests.tyllm.llm.test_compile_settings import GOOD

from tyllm.llm.decoder_build import DecoderBuild, logit_rows
from tyllm.llm.package_job import prepare
from tyllm.package import Params
from tyllm.package.file_names import code_file, constants_file, params_file
from tyllm.package.step_shape import StepShape
from tytvm.kernel_choice import Kernels
from tytvm.target import resolve

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


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-avx512-amx"])
def test_the_head_takes_as_many_rows_as_cost_little_more_than_one(build, target):
    kernels, most = Kernels(resolve(target), int8_activations=True), {"x86-64-v3": 4}.get(target, 16)
    shapes = {StepShape(1, 1): 1, StepShape(1, 3): 3, StepShape(1, 32): most, StepShape(1, 256): 16, BATCH: 3}
    assert {shape: logit_rows(shape, kernels) for shape in shapes} == shapes
    assert logit_rows(StepShape(1, 64), replace(kernels, int8_activations=False)) == 8


def test_a_chunk_is_told_how_many_logits_are_wanted(build):
    io = build._plan(build._capture(0, FOUR), 0, FOUR).layouts["io"].specs
    assert io["row"].shape == (4,) and io["logit_count"].shape == (1,) and io["logits"].shape[-2] == 4


def test_a_batch_is_told_of_each_row_where_it_is_and_how_many_are_in_use(build):
    one, batch = (build._plan(build._capture(0, shape), 0, shape).layouts for shape in (ONE, BATCH))
    assert batch["kv"] == one["kv"] and batch["params"] == one["params"]
    own = {"slot": (3,), "row_count": (1,), "logit_count": (1,)}
    assert {name: batch["io"].specs[name].shape for name in own} == own and not own.keys() & one["io"].specs.keys()
    assert batch["io"].specs["position"].shape == batch["io"].specs["row"].shape == (3,)
    assert batch["io"].specs["logits"].shape[-2] == 3
