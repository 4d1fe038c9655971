"""The package's own library measures the machine."""

from contextlib import nullcontext

import pytest
from fake_package import HERE, build

from tyllm.package import open_package
from tyllm.runtime.execute import binding, limits
from tyllm.runtime.execute.binding import limit_function
from tyllm.runtime.execute.limits import measure_limits
from tyllm_base.errors import PackageError, TyllmError
from tyllm_base.machine import cpu_flags


@pytest.fixture(scope="module")
def found(toy):
    return measure_limits(open_package(toy()), 1)


def test_the_limits_are_believable(found):
    assert 1e8 < found["read"] < 1e12
    assert 1e8 < found["int8"] < 1e14
    assert 1e8 < found["float32"] < 1e13


def test_a_target_without_tiles_has_none(found):
    assert not found.keys() & {"tile_int8", "tile_bfloat16"}


@pytest.mark.parametrize(("flag", "kind"), [("amx_int8", "tile_int8"), ("amx_bf16", "tile_bfloat16")])
def test_tiles(tmp_path, flag, kind):
    if flag not in cpu_flags():
        pytest.skip("this machine has no such tiles")
    flags = ("-shared", "-mamx-tile", f"-m{flag.replace('_', '-')}")
    library = build(HERE / "fake_program.c", tmp_path / "tiles.so", flags)
    with limit_function(library) as limit:
        assert 1e11 < limit(kind.encode(), 1) < 1e14


def test_each_limit_is_reported(toy, monkeypatch):
    monkeypatch.setattr(limits, "limit_function", lambda path: nullcontext(lambda name, threads: float(threads)))
    names = []
    assert measure_limits(open_package(toy()), 3, names.append) == dict.fromkeys(limits.LIMITS, 3.0)
    assert names == list(limits.LIMITS)


def test_a_refusal_is_said(toy, monkeypatch):
    monkeypatch.setattr(limits, "limit_function", lambda path: nullcontext(lambda name, threads: -1.0))
    with pytest.raises(TyllmError, match="refuses 3 threads of 256 MiB"):
        measure_limits(open_package(toy()), 3)


def test_an_older_library(toy_library, monkeypatch):
    class Older:
        pass

    monkeypatch.setattr(binding, "load", lambda path: Older())
    monkeypatch.setattr(binding, "unload_code", lambda library: None)
    with pytest.raises(PackageError, match="before it could measure limits"), binding.limit_function(toy_library):
        pass
