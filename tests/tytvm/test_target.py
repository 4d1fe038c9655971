"""Instruction sets by name and by CPU flags, and code for each of them."""

import platform
import struct

import pytest
from tvm import IRModule, tirx
from tvm.script import tirx as T

from tyllm_base.errors import SettingError
from tytvm.target import INSTRUCTION_SETS, best_for, native, resolve

_BY_NAME = {spec.name: spec for spec in INSTRUCTION_SETS}
_ELF_MACHINE = {"x86_64": 62, "aarch64": 183, "riscv64": 243}


def test_every_name_resolves_to_itself():
    assert len(_BY_NAME) == len(INSTRUCTION_SETS)
    for name, spec in _BY_NAME.items():
        assert resolve(name) is spec


def test_native_is_of_this_machine():
    assert resolve("native") == native()
    assert native().machine == platform.machine()


def test_unknown_name():
    with pytest.raises(SettingError, match=r"'edge10'.*x86-64-avx512-vnni") as error:
        resolve("edge10")
    assert error.value.exit_code == 4


def test_unknown_machine():
    with pytest.raises(SettingError, match="'s390x'"):
        best_for("s390x", frozenset())


def test_best_for_the_flags():
    vnni = frozenset(_BY_NAME["x86-64-avx512-vnni"].flags)
    assert best_for("x86_64", vnni).name == "x86-64-avx512-vnni"
    assert best_for("x86_64", vnni - {"avx512_vnni"}).name == "x86-64-v3"
    assert best_for("x86_64", vnni - {"avx512_vnni"} | {"avx_vnni"}).name == "x86-64-avx-vnni"
    assert best_for("x86_64", frozenset({"sse2"})).name == "x86-64"


@pytest.mark.parametrize("name", _BY_NAME)
def test_llvm_builds_for_it(name, tmp_path):
    @T.prim_func
    def double(x: T.Buffer((64,), "float32")):
        for i in T.serial(64):
            x[i] = x[i] * T.float32(2)

    spec = resolve(name)
    path = tmp_path / "kernel.o"
    tirx.build(IRModule({"double": double}), target=spec.tvm_target()).write_to_file(str(path))
    machine = struct.unpack_from("<H", path.read_bytes(), 18)[0]
    assert machine == _ELF_MACHINE[spec.machine]
