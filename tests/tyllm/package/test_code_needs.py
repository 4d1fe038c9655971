"""The hash of a layout is the same for dies that share their code, and another for every other number."""

import pytest
from msgspec.structs import replace

from tyllm.package import DieBuffers, IoEntry, KvLayer, ProgramMemory
from tyllm.package.code_needs import decoder_layout, module_layout
from tyllm.package.compiled_module import ModuleMemory, ModuleProgram
from tyllm.package.step_shape import StepShape

IO = {"x": IoEntry(0, (4,), "float32"), "y": IoEntry(64, (4,), "float32")}
MEMORY = ProgramMemory(64, 128, IO)
LAYER = KvLayer(0, 64, 1, 1, 1)
DIE = DieBuffers(0, (0, 8), 128, (LAYER,), {1: MEMORY, 8: MEMORY})
LAYOUT = decoder_layout(2, 64, 80, DIE, StepShape(1, 8))


def test_dies_of_one_shape_have_one_layout():
    assert decoder_layout(2, 64, 80, replace(DIE, die=1, vocabulary=(8, 16)), StepShape(1, 8)) == LAYOUT
    assert decoder_layout(2, 64, 80, replace(DIE, programs={8: MEMORY}), StepShape(1, 8)) == LAYOUT
    assert len(LAYOUT) == 64


@pytest.mark.parametrize(
    "other",
    [
        decoder_layout(3, 64, 80, DIE, StepShape(1, 8)),
        decoder_layout(2, 65, 80, DIE, StepShape(1, 8)),
        decoder_layout(2, 64, 96, DIE, StepShape(1, 8)),
        decoder_layout(2, 64, 80, DIE, StepShape(1, 1)),
        decoder_layout(2, 64, 80, replace(DIE, kv_bytes=192), StepShape(1, 8)),
        decoder_layout(2, 64, 80, replace(DIE, vocabulary=(0, 9)), StepShape(1, 8)),
        decoder_layout(2, 64, 80, replace(DIE, layers=(replace(LAYER, k_offset=64, v_offset=0),)), StepShape(1, 8)),
        decoder_layout(2, 64, 80, replace(DIE, programs={8: replace(MEMORY, arena_bytes=128)}), StepShape(1, 8)),
        decoder_layout(
            2, 64, 80, replace(DIE, programs={8: replace(MEMORY, io={"x": IO["y"], "y": IO["x"]})}), StepShape(1, 8)
        ),
    ],
)
def test_every_number_counts(other):
    assert other != LAYOUT


def test_a_module():
    program, memory = ModuleProgram("a", "module_a", ("x",), ("y",)), ModuleMemory(64, 128, 256, IO)
    layouts = {
        module_layout(1, program, memory),
        module_layout(2, program, memory),
        module_layout(1, replace(program, outputs=("x",)), memory),
        module_layout(1, replace(program, name="b"), memory),
        module_layout(1, program, replace(memory, constants_offset=320)),
        module_layout(1, program, replace(memory, io=IO | {"x": IO["y"]})),
    }
    assert len(layouts) == 6
