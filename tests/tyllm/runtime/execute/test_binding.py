"""A shared library that is none of ours gives a sentence."""

import subprocess

import pytest

from tyllm.runtime.execute import binding
from tyllm_base.errors import PackageError


def test_no_library(tmp_path):
    (tmp_path / "x.so").write_bytes(b"nothing")
    with pytest.raises(PackageError, match="Cannot load"):
        binding.load(tmp_path / "x.so")


def test_another_abi(tmp_path, monkeypatch, toy_library):
    monkeypatch.setattr(binding, "RUNTIME_ABI", 9)
    with pytest.raises(PackageError, match="has runtime ABI 3, this TyLLM speaks 9"):
        binding.load(toy_library)


def test_a_library_without_the_runtime(tmp_path):
    (tmp_path / "x.c").write_text("int f(void) { return 1; }")
    subprocess.run(["gcc", "-shared", "-fPIC", tmp_path / "x.c", "-o", tmp_path / "x.so"], check=True)
    with pytest.raises(PackageError, match="cannot be loaded"):
        binding.load(tmp_path / "x.so")


def test_a_missing_program(toy_library):
    for name in ("__tvm_ffi_other", "__tvm_ffi_\0", "__tvm_ffi_\ud800"):
        with pytest.raises(PackageError, match="does not export __tvm_ffi_"):
            binding.address(binding.load(toy_library), name)
