"""A compiled module comes back from its two files as it was; files that contradict each other are refused."""

import json
from dataclasses import replace

import pytest

from tyllm.package import FORMAT_VERSION, IoEntry
from tyllm.package.compiled_module import ModuleConfig, ModuleMemory, ModuleProgram
from tyllm_base.errors import PackageError

IO = {"pixels": IoEntry(0, (2, 3), "float32"), "tokens": IoEntry(64, (4,), "float16")}
MEMORY = ModuleMemory(arena_bytes=128, io_bytes=72, constants_offset=256, io=IO)
PROGRAMS = (
    ModuleProgram("28x28", "vit_28x28", ("pixels",), ("tokens",)),
    ModuleProgram("56x28", "vit_56x28", ("pixels",), ("tokens",)),
)
MODULE = ModuleConfig(
    "vit_die{die}.so", "constant_die{die}.params", PROGRAMS, ({"28x28": MEMORY, "56x28": MEMORY},) * 2
)


def test_round_trip(tmp_path):
    MODULE.write_module_config(tmp_path)
    assert ModuleConfig.read(tmp_path) == MODULE


def test_one_file_names_programs_and_the_other_lays_out_memory(tmp_path):
    MODULE.write_module_config(tmp_path)
    aot = json.loads((tmp_path / "aot_config.json").read_text())
    buffers = json.loads((tmp_path / "buffer_config.json").read_text())
    assert aot["programs"][1] == {
        "name": "56x28", "export": "vit_56x28", "inputs": ["pixels"], "outputs": ["tokens"]
    }  # fmt: skip
    assert buffers["dies"][1]["programs"]["28x28"]["io"]["tokens"] == {
        "offset": 64, "shape": [4], "dtype": "float16"
    }  # fmt: skip
    assert aot["format_version"] == buffers["format_version"] == FORMAT_VERSION


def test_a_program_by_its_name():
    assert MODULE.program_named("56x28") is PROGRAMS[1]


def without_pixels(buffers):
    del buffers["dies"][1]["programs"]["28x28"]["io"]["pixels"]


def beyond_the_end(buffers):
    buffers["dies"][0]["programs"]["28x28"]["io_bytes"] = 71


def before_the_start(buffers):
    buffers["dies"][0]["programs"]["28x28"]["io"]["tokens"]["offset"] = -8


def other_programs(buffers):
    buffers["dies"][1]["programs"]["1x1"] = buffers["dies"][1]["programs"].pop("56x28")


def no_arena(buffers):
    del buffers["dies"][0]["programs"]["28x28"]["arena_bytes"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without_pixels, "pixels of 28x28 does not lie in the 72 bytes of io"),
        (beyond_the_end, "tokens of 28x28 does not lie in the 71 bytes of io"),
        (before_the_start, "Expected `int` >= 0"),
        (other_programs, "die 1 has other programs"),
        (no_arena, "missing required field `arena_bytes`"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path, change, sentence):
    MODULE.write_module_config(tmp_path)
    path = tmp_path / "buffer_config.json"
    buffers = json.loads(path.read_text())
    change(buffers)
    path.write_text(json.dumps(buffers))
    with pytest.raises(PackageError, match=sentence):
        ModuleConfig.read(tmp_path)


def first_name_twice(aot):
    aot["programs"][1]["name"] = aot["programs"][0]["name"]


def first_symbol_twice(aot):
    aot["programs"][1]["export"] = aot["programs"][0]["export"]


@pytest.mark.parametrize("change", [first_name_twice, first_symbol_twice])
def test_each_program_has_its_own_name_and_symbol(tmp_path, change):
    MODULE.write_module_config(tmp_path)
    path = tmp_path / "aot_config.json"
    aot = json.loads(path.read_text())
    change(aot)
    path.write_text(json.dumps(aot))
    with pytest.raises(PackageError, match="two programs have one name"):
        ModuleConfig.read(tmp_path)


@pytest.mark.parametrize(
    "name", ["../x.so", "/x.so", "{x}.so", "{0}.so", "{die:>999999999999}.so", "a.b.so", "x.py", ""]
)
def test_a_file_is_named_by_letters_and_the_die_alone(tmp_path, name):
    replace(MODULE, code=name).write_module_config(tmp_path)
    with pytest.raises(PackageError, match=r"matching regex .* at `\$.code`"):
        ModuleConfig.read(tmp_path)
