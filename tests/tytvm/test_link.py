"""Linking refuses what would fail later, and a missing compiler has its cure."""

import ctypes

import pytest

from tyllm_base.errors import BuildError
from tytvm import link as linking
from tytvm.link import c_compiler, compile_c, instruction_flags, link
from tytvm.target import resolve

NATIVE = resolve("native")


@pytest.fixture
def compiled(tmp_path):
    def compile_text(text):
        (tmp_path / "part.c").write_text(text)
        return compile_c([tmp_path / "part.c"], ["-fPIC"], tmp_path, NATIVE)

    return compile_text


@pytest.fixture
def no_compiler(monkeypatch):
    c_compiler.cache_clear()
    monkeypatch.setattr(linking.machine, "c_compiler", lambda: None)
    monkeypatch.setattr(linking, "find_spec", lambda name: None)
    yield
    c_compiler.cache_clear()


def test_a_shared_object(compiled, tmp_path):
    link(compiled("int answer(void) { return 42; }"), tmp_path / "out.so", NATIVE)
    assert ctypes.CDLL(str(tmp_path / "out.so")).answer() == 42


def test_an_undefined_symbol_is_refused_now(compiled, tmp_path):
    with pytest.raises(BuildError, match="failed with status") as caught:
        link(compiled("int nowhere(void); int answer(void) { return nowhere(); }"), tmp_path / "out.so", NATIVE)
    assert caught.value.exit_code == 5
    assert not (tmp_path / "out.so").exists()


def test_what_the_linker_only_warns_of_is_refused(compiled, tmp_path):
    """It warns, and goes on without them, of frames that it cannot read."""
    text = 'int answer(void) { return 42; } __asm__(".section .eh_frame\\n.byte 1, 2, 3\\n.previous");'
    with pytest.raises(BuildError, match="failed with status 1"):
        link(compiled(text), tmp_path / "out.so", NATIVE)


def test_the_same_objects_give_the_same_bytes(compiled, tmp_path):
    objects = compiled("int answer(void) { return 42; }")
    for name in ("a.so", "b.so"):
        link(objects, tmp_path / name, NATIVE)
    assert (tmp_path / "a.so").read_bytes() == (tmp_path / "b.so").read_bytes()


def test_what_the_compiler_complains_of_is_in_the_message(compiled):
    with pytest.raises(BuildError, match=r"failed with status 1: .*part\.c"):
        compiled("int answer(")


@pytest.mark.usefixtures("no_compiler")
def test_no_compiler_for_this_machine():
    with pytest.raises(BuildError, match=rf"No C compiler for {NATIVE.triple} was found; install gcc or clang\."):
        c_compiler(NATIVE)


@pytest.mark.usefixtures("no_compiler")
def test_no_compiler_for_another_machine():
    other = resolve("riscv64" if NATIVE.machine != "riscv64" else "aarch64")
    with pytest.raises(BuildError, match=r"pip install 'tyllm\[cross\]'"):
        c_compiler(other)


def test_zig_compiles_for_other_machines(monkeypatch):
    c_compiler.cache_clear()
    monkeypatch.setattr(linking, "find_spec", lambda name: object())
    other = resolve("riscv64" if NATIVE.machine != "riscv64" else "aarch64")
    assert c_compiler(other)[1:] == ("-m", "ziglang", "cc", "-target", other.triple)
    c_compiler.cache_clear()


def test_the_target_reaches_the_c_code(compiled, tmp_path):
    macros = {"x86-64-avx512-vnni": "__AVX512VNNI__", "x86-64-v3": "__AVX2__", "x86-64": "__x86_64__"}
    macro = next((macros[name] for name in macros if NATIVE.name.startswith(name)), "__linux__")
    link(compiled(f"#ifdef {macro}\nint answer(void) {{ return 42; }}\n#endif"), tmp_path / "out.so", NATIVE)
    assert ctypes.CDLL(str(tmp_path / "out.so")).answer() == 42


def test_features_are_spelled_as_the_compiler_wants_them(monkeypatch):
    vnni = resolve("x86-64-avx512-vnni")
    monkeypatch.setattr(linking, "c_compiler", lambda spec: ("/usr/bin/cc",))
    assert instruction_flags(vnni) == ("-march=x86-64-v4", "-mavx512vnni")
    monkeypatch.setattr(linking, "c_compiler", lambda spec: ("python", "-m", "ziglang", "cc"))
    assert instruction_flags(vnni) == ("-march=x86_64_v4", "-mavx512vnni")
    assert instruction_flags(resolve("riscv64")) == ()
