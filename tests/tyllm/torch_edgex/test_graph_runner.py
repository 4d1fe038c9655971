"""What runs: nothing where modules are only traced; on the cores of the dies that are named."""

from tests.tyllm.torch_edgex.blocks import TOLERANCE, GatedMlp, compiled, error, folders, sample

from tyllm import torch_edgex


def test_trace_only_compiles_and_returns_zeros(tmp_path):
    module, x = sample(GatedMlp)
    torch_edgex.edgex_module.set_trace_only_mode(True)
    found = compiled(module)(x)
    assert found.shape == x.shape
    assert not found.any()
    assert folders(tmp_path)[0].joinpath("edgex_die0.so").is_file()


def test_the_threads_are_bound_to_the_dies_of_the_order(monkeypatch):
    orders = []
    monkeypatch.setattr("tyllm.runtime.execute.executor._pin", lambda dies, workers, order: orders.append(tuple(order)))
    module, x = sample(GatedMlp)
    found = compiled(module, dies=2, VM_die_remap=[3, 1, 0])(x)
    assert orders == [(3, 1)]
    assert error(found, module(x)) < TOLERANCE
