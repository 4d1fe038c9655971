"""A compiled module: several programs over the same weights, on dies that share shapes and dies that do not."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from tyllm import native
from tyllm.build.die_plan import plan_model
from tyllm.build.module_build import ModuleBuild, ModuleSource
from tyllm.build.process_pool import run_in_processes
from tyllm.build.tensor_parallel import IN, OUT, ModelSharding, WeightSharding
from tyllm.build.weight_formats import Quantization, local_shape
from tyllm.package.compiled_module import ModuleBuffers, ModuleConfig
from tyllm.runtime.execute.module import CompiledModule
from tyllm_base.errors import PackageError, StepError
from tytvm.capture import capture
from tytvm.kernel_choice import Kernels
from tytvm.link import compile_c
from tytvm.target import resolve


class Perceptron(torch.nn.Module):
    """Two layers, and a table that is a constant."""

    def __init__(self):
        super().__init__()
        self.up, self.down = torch.nn.Linear(32, 80), torch.nn.Linear(80, 32)
        self.register_buffer("table", torch.arange(32.0))

    def forward(self, x):
        inner = torch.relu(self.up(x))
        return self.down(inner) + self.table, x * 2


class InMemory:
    """The weights of a module."""

    def __init__(self, module):
        self.weights = {name: value.detach().numpy() for name, value in module.named_parameters()}

    def floats(self, name, start, stop):
        return self.weights[name][start:stop]


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return Perceptron()


@pytest.fixture(scope="module", params=[1, 2, 3])
def built(request, module, tmp_path_factory):
    dies, folder = request.param, tmp_path_factory.mktemp("module")
    spans = {1: ((0, 80),), 2: ((0, 48), (48, 80)), 3: ((0, 32), (32, 64), (64, 80))}[dies]
    cuts = {
        "up.weight": WeightSharding(OUT, spans),
        "up.bias": WeightSharding(OUT, spans),
        "down.weight": WeightSharding(IN, spans),
    }
    split = ModelSharding(dies, cuts if dies > 1 else {}, ())
    meta = Perceptron().to("meta")
    plan = plan_model(meta, split, Quantization(None, 128, frozenset()), frozenset())
    kernels = Kernels(resolve("native"), int8_activations=False)

    def captured(rows, die):
        for name, shape in plan.shapes.items():
            owner, _, own = name.rpartition(".")
            value = torch.empty(local_shape(shape, split.of(name), die), device="meta")
            setattr(meta.get_submodule(owner), own, torch.nn.Parameter(value, requires_grad=False))
        meta.table = module.table
        return capture(meta, {"x": torch.zeros(rows, 32, device="meta")})

    sources = [ModuleSource(f"{n}x32", lambda die, n=n: captured(n, die), ("y", "twice")) for n in (3, 40)]
    scratch = folder / "scratch"
    scratch.mkdir()
    runtime = compile_c(native.sources(), native.compile_flags(), scratch, kernels.spec)
    build = ModuleBuild(
        folder, scratch, "m{die}.so", "w{die}.params", plan, InMemory(module), sources, kernels, runtime
    )
    said = []
    compiled = dict(
        zip(build.keys(), run_in_processes(build.compiles(), 2, lambda *told: said.append(told)), strict=True)
    )
    files = {path.name for each in run_in_processes(build.writes(compiled), 2, lambda *_: None) for path in each}
    assert files == {f"w{die}.params" for die in range(dies)}
    build.config(compiled).write_module_config(folder)
    assert sum(amount for amount, _ in said) == 3 * len(build.keys())
    return folder, build, compiled


def test_it_computes_what_torch_computes(built, module):
    folder, *_ = built
    with CompiledModule(folder, ModuleConfig.read(folder), 2) as compiled:
        for rows in (3, 40, 3):
            x = torch.randn(rows, 32)
            with torch.no_grad():
                y, twice = module(x)
            found = compiled(f"{rows}x32", {"x": x.numpy()})
            np.testing.assert_allclose(found["y"], y.numpy(), atol=2e-2)  # weights are float16
            np.testing.assert_array_equal(found["twice"], twice.numpy())


def test_dies_of_one_shape_are_compiled_once(built):
    _, build, compiled = built
    dies = len(build.plan.dies)
    assert len(compiled) == 2 * {1: 1, 2: 2, 3: 2}[dies]


def test_weights_are_stored_once(built):
    folder, build, _ = built
    data = sum(Path(folder, f"w{die}.params").stat().st_size for die in range(len(build.plan.dies)))
    assert data < 2 * (2 * 32 * 96 + 4 * 600) + 4096 * len(build.plan.dies)


def test_an_input_of_another_shape(built):
    folder, *_ = built
    with CompiledModule(folder, ModuleConfig.read(folder), 1) as compiled:
        with pytest.raises(StepError, match=r"3x32 takes x of shape \[3, 32\], not \(4, 32\)"):
            compiled("3x32", {"x": np.zeros((4, 32), np.float32)})
        with pytest.raises(StepError, match=r"3x32 takes x of shape \[3, 32\], not None"):
            compiled("3x32", {})


def test_steps_by_die_and_program(built):
    _, build, compiled = built
    steps = build.steps(compiled)
    assert [each["die"] for each in steps] == list(range(len(build.plan.dies)))
    assert all({"3x32", "40x32"} == set(each["programs"]) for each in steps)
    assert all(program["body"] and not program["head"] for program in steps[0]["programs"].values())


def test_what_lies_outside_its_memory_is_refused(built):
    folder, *_ = built
    aot, buffers = ModuleConfig.read(folder).to_json()
    buffers = msgspec.to_builtins(buffers)
    buffers["dies"][0]["programs"]["3x32"]["io_bytes"] = 8
    with pytest.raises(PackageError, match="of 3x32 does not lie in the 8 bytes of io; compile again"):
        ModuleConfig.of(folder / "aot_config.json", aot, msgspec.convert(buffers, ModuleBuffers))
