"""A compiled module: named arrays in and out, wrong ones refused, threads divided, bound and stopped."""

import gc
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_package import HERE, build, with_needs
from msgspec import structs

from tyllm.package import IoEntry, file_entries, write_params
from tyllm.package.code_needs import CodeNeeds, module_layout
from tyllm.package.compiled_module import ModuleConfig, ModuleMemory, ModuleProgram
from tyllm.package.held_path import HeldPath
from tyllm.package.open_folder import OpenFolder
from tyllm.package.package_files import PackageFiles
from tyllm.runtime.execute import executor
from tyllm.runtime.execute.module import CompiledModule
from tyllm_base.errors import GenerationError, PackageError, StepError

IO = {"x": IoEntry(0, (3,), "float32"), "y": IoEntry(64, (3,), "float32")}
CONSTANT = 0.5
PROGRAM = ModuleProgram("double", "edgex_double", ("x",), ("y",))
MEMORY = ModuleMemory(arena_bytes=64, io_bytes=128, constants_offset=0, io=IO)
X = np.asarray([1, 2, 3], np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of a module of two dies."""
    folder = tmp_path_factory.mktemp("module")
    built = build(HERE / "runtime" / "execute" / "doubling_module.c", folder / "built.so").read_bytes()
    layout = module_layout(2, PROGRAM, MEMORY)
    for die in range(2):
        needs = CodeNeeds(PROGRAM.export, "", layout, 64, 4, 0, 0, MEMORY.arena_bytes, MEMORY.io_bytes)
        (folder / f"die{die}.so").write_bytes(with_needs(built, needs))
    for die in range(2):
        write_params(folder / f"die{die}.params", {"constant": np.asarray([CONSTANT], np.float32)})
    return folder


@pytest.fixture(scope="module")
def config():
    return ModuleConfig("die{die}.so", "die{die}.params", (PROGRAM,), ({"double": MEMORY},) * 2)


@pytest.mark.parametrize("threads", [None, 1, 2, 4])
def test_arrays_go_in_and_copies_come_out(folder, config, threads):
    with CompiledModule(folder, config, threads) as module:
        first = module("double", {"x": X})
        second = module("double", {"x": 10 * X})
        assert first.keys() == {"y"}
        assert np.array_equal(first["y"], 2 * X + CONSTANT)
        assert np.array_equal(second["y"], 20 * X + CONSTANT)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, r"double takes x of shape \[3\], not None"),
        ({"x": np.zeros(4)}, r"double takes x of shape \[3\], not \(4,\)"),
    ],
)
def test_inputs_that_do_not_fit(folder, config, inputs, words):
    with CompiledModule(folder, config, 1) as module, pytest.raises(StepError, match=words):
        module("double", inputs)


def test_a_failure_is_an_error_and_the_next_call_works(folder, config):
    with CompiledModule(folder, config, 2) as module:
        with pytest.raises(StepError, match="ValueError: thirteen is unlucky"):
            module("double", {"x": 13 * X})
        assert np.array_equal(module("double", {"x": X})["y"], 2 * X + CONSTANT)


def test_calls_from_several_threads_take_turns(folder, config):
    wrong = []

    def work(factor):
        found = [module("double", {"x": factor * X})["y"] for _ in range(100)]
        wrong.extend(y for y in found if not np.array_equal(y, 2 * factor * X + CONSTANT))

    with CompiledModule(folder, config, 2) as module:
        threads = [threading.Thread(target=work, args=(factor,)) for factor in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert not wrong


def test_a_closed_module_refuses(folder, config):
    module = CompiledModule(folder, config, 1)
    module.close()
    module.close()
    with pytest.raises(GenerationError, match="closed"):
        module("double", {"x": X})


def test_its_threads_are_bound_to_the_dies_of_the_order(folder, config, monkeypatch):
    bound = []
    monkeypatch.setattr(executor, "_pin", lambda dies, workers, order: bound.append((len(dies), workers, [*order])))
    CompiledModule(folder, config, 6).close()
    assert bound == []
    CompiledModule(folder, config, 6, order=(3, 1), pin=True).close()
    CompiledModule(folder, config, 6, pin=True).close()
    assert bound == [(2, 3, [3, 1]), (2, 3, [0, 1])]


def test_a_module_of_an_opened_package_needs_its_folder_no_more(folder, config, tmp_path):
    own = shutil.copytree(folder, tmp_path / "module")
    files = PackageFiles(own)
    with OpenFolder(own) as opened:
        files.hold(opened, file_entries(own))
    shutil.rmtree(own)
    with CompiledModule(HeldPath(files), config, 2) as module:
        assert np.array_equal(module("double", {"x": X})["y"], 2 * X + CONSTANT)


def test_a_closed_module_leaves_nothing_loaded(folder, config):
    """Without waiting for the collector, and after failing to load as well."""

    def lines():
        return sum("/memfd:die" in line for line in Path("/proc/self/maps").read_text().splitlines())

    gc.collect()
    before = lines()
    module = CompiledModule(folder, config, 2)
    assert lines() > before
    module.close()
    assert lines() == before
    broken = replace(config, programs=(structs.replace(config.programs[0], export="nothing"),))
    with pytest.raises(PackageError, match="does not export"):
        CompiledModule(folder, broken, 2)
    gc.collect()
    assert lines() == before
