"""Every die holds its part, and no compiler is a sentence."""

import pytest
import torch
from tests.tyllm.torch_edgex.blocks import Attention, GatedMlp, VitBlock, compiled, sample


@pytest.mark.parametrize("kind", [GatedMlp, VitBlock, Attention])
def test_dies_hold_parts_of_the_weights(kind, tmp_path):
    module, x = sample(kind)
    for dies in (1, 2):
        torch._dynamo.reset()
        compiled(module, dies=dies, AOT_DIR=tmp_path / str(dies))(x)
    whole, part = (next((tmp_path / str(dies)).rglob("edgex_die0.params")).stat().st_size for dies in (1, 2))
    assert part < 0.75 * whole


def test_no_compiler(monkeypatch):
    from tyllm.graph import compile_graph
    from tyllm_base.errors import BuildError
    from tytvm import link

    compile_graph._runtime.cache_clear()
    link.c_compiler.cache_clear()
    monkeypatch.setattr("tyllm_base.machine.c_compiler", lambda: None)
    monkeypatch.setattr("tytvm.link.find_spec", lambda name: None)
    module, x = sample(GatedMlp)
    with pytest.raises(BuildError, match=r"No C compiler .* install gcc or clang"):
        compiled(module)(x)
    link.c_compiler.cache_clear()
