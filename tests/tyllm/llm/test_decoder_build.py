"""The decoder's tasks: the weights, and one program for each shape of die and length; equal dies get copies."""

from dataclasses import replace

import pytest
from tests.tyllm.llm.test_compile_settings import GOOD

from tyllm.llm.decoder_build import DecoderBuild
from tyllm.llm.package_job import prepare
from tyllm.package import Params
from tyllm.package.file_names import code_file, constants_file, params_file


@pytest.fixture
def build(tiny, tmp_path):
    settings = replace(GOOD, model_path=tiny, artifacts_path=tmp_path / "package", dies=4, seq_lens=(1, 4))
    return DecoderBuild(prepare(settings), tmp_path, [])


def test_dies_of_equal_shapes_share_a_program(build):
    """192 inputs of the MLP are six groups of 32: two dies hold two, two hold one."""
    assert build.program_keys() == [(0, 1), (0, 4), (2, 1), (2, 4)]
    assert len(build.tasks()) == 1 + 4


def test_weights_are_written_for_each_die(build, tmp_path):
    said = []
    files = build.tasks()[0](lambda amount, what: said.append(what))
    assert set(files) == {params_file(die).as_posix() for die in range(4)}
    assert "pack model.embed_tokens.weight" in said
    for die in build.job.plan.dies:
        assert list(Params(tmp_path / params_file(die.die)).tensors) == list(die.tensor_specs())


def test_finish_copies_what_dies_share(build, tmp_path):
    for die, seq_len in build.program_keys():
        for name in (code_file(die, seq_len), constants_file(die, seq_len)):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"{die} {seq_len}")
    found = build.finish(["0 1", "0 4", "2 1", "2 4"])
    assert found == [{1: "0 1", 4: "0 4"}, {1: "0 1", 4: "0 4"}, {1: "2 1", 4: "2 4"}, {1: "2 1", 4: "2 4"}]
    assert (tmp_path / code_file(1, 4)).read_text() == "0 4" and (tmp_path / constants_file(3, 1)).read_text() == "2 1"


def test_a_program_has_the_graph_of_its_die(build):
    captured = build._capture(2, 4)
    assert captured.inputs == ["positions", "row", "tokens"]
    planned = build._plan(captured, 2)
    assert planned.layouts["params"] == build.job.plan.dies[2].layout and planned.head
