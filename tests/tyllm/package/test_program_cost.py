"""Bytes and products are counted from program.json, whatever kernels are called."""

import json
from types import SimpleNamespace

import msgspec
import pytest

from tyllm.package import open_package
from tyllm.package.program_cost import ProgramCost
from tyllm.package.program_file import ProgramSteps
from tyllm.package.step_shape import StepShape
from tyllm_base.errors import PackageError
from tytvm.kernel_choice import Kernels
from tytvm.kernels.kernel import WorkKind
from tytvm.kernels.operands.encoding import Bfloat16, Int8
from tytvm.kernels.operators import (
    ActivatedLinear,
    EmbeddingRows,
    GatedLinear,
    LayerNorm,
    Linear,
    RmsNorm,
)
from tytvm.target import resolve
from tytvm.weights import W4, W16, Plain

TILED = Int8(64, tiled=True)


def test_a_program_json_without_dies(tmp_path):
    (tmp_path / "program.json").write_text("{}")
    with pytest.raises(PackageError, match="missing required field `format_version`"):
        ProgramCost.of(SimpleNamespace(files=tmp_path))


def test_programs_that_the_package_does_not_have(toy, tmp_path):
    package = open_package(toy(dies=2))
    for dies in ([], [0], [0, 1, 2], [0, 1]):
        programs = [{"die": die, "programs": {"1": {"body": [], "head": [], "buffers": {}}}} for die in dies]
        (tmp_path / "program.json").write_text(json.dumps({"format_version": 1, "dies": programs}))
        with pytest.raises(PackageError, match="has other programs of die"):
            ProgramCost.of(SimpleNamespace(folder=tmp_path, files=tmp_path, buffers=package.buffers))


def test_weights_are_read_whole_and_tables_by_rows():
    assert program_cost(step({}, 10), step({"int8": 64}, 70)).weight_bytes(StepShape(1, 8)) == 10 + 64


def test_dies_are_summed():
    assert ProgramCost(program_cost(step({"int8": 64}, 70)).dies * 2).products(StepShape(1, 8), "body") == {"int8": 128}


def step(operations, bytes_read, bytes_written=1):
    """A step that reads the whole or a part of the one parameter."""
    cost = {"operations": operations, "bytes_read": bytes_read, "bytes_written": bytes_written}
    return {"kernel": "any", "reads": ["w"], "writes": [], "barrier_before": False, "cost": cost}


def program_cost(*steps, place="params"):
    """One die and sequence length 8."""
    program = {"body": list(steps), "head": [], "buffers": {"w": {"place": place, "offset": 0, "bytes": 64}}}
    return ProgramCost(({StepShape(1, 8): msgspec.convert(program, ProgramSteps)},))


@pytest.mark.parametrize("target", ["x86-64-avx512-amx", "x86-64-v3"])
@pytest.mark.parametrize("is_rounded", [False, True])
@pytest.mark.parametrize(
    "operator",
    [
        Linear(16, W4(64, 64, 64)),
        Linear(16, W16(64, 64), True),
        GatedLinear(16, W4(64, 64, 64), TILED),
        GatedLinear(16, W16(64, 64), Bfloat16()),
        ActivatedLinear(16, W16(64, 64), "gelu", Bfloat16()),
        EmbeddingRows(16, W16(64, 64)),
        EmbeddingRows(16, Plain((64, 64), "float16")),
        RmsNorm(16, 64, 1e-6),
        RmsNorm(16, 64, 1e-6, TILED, True),
        LayerNorm(16, 64, 1e-6, Int8(64)),
        LayerNorm(16, 64, 1e-6, TILED, True),
    ],
)
def test_products_with_weights_are_counted_whatever_kernel_makes_them(operator, target, is_rounded):
    """Its kernel's kind says whether a step multiplies by the parameter that it reads."""
    choice = Kernels(resolve(target), is_rounded).find(operator)
    if choice is None:
        pytest.skip("no kernel does it in one")
    cost = choice.kernel.cost(*choice.specialization.arguments)
    found = program_cost(step(cost.operations, cost.bytes_read, cost.bytes_written)).products(StepShape(1, 8), "body")
    is_product = choice.kernel.kind is WorkKind.WEIGHT_PRODUCT
    assert list(found.values()) == ([max(cost.operations.values())] if is_product else [])


def test_attention_reads_no_parameter():
    assert not program_cost(step({"bfloat16": 9999}, 70), place="kv").products(StepShape(1, 8), "body")
