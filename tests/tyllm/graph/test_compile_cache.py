"""A compiled module is found again, unless a byte of it changed; a folder that cannot be written is named."""

import pytest
import torch
from tests.tyllm.torch_edgex.blocks import GatedMlp, compiled, folders, sample

from tyllm_errors import OutputError


def test_a_second_run_does_not_compile_again(tmp_path, monkeypatch):
    module, x = sample(GatedMlp)
    first = compiled(module)(x)
    torch._dynamo.reset()
    monkeypatch.setattr("tyllm.graph.build._build", lambda *_: pytest.fail("compiled again"))
    assert torch.equal(compiled(module)(x), first)


def test_a_damaged_module_is_compiled_again(tmp_path):
    module, x = sample(GatedMlp)
    first = compiled(module)(x)
    params = folders(tmp_path)[0] / "edgex_die0.params"
    params.write_bytes(params.read_bytes()[:-8] + b"damaged!")
    torch._dynamo.reset()
    assert torch.equal(compiled(module)(x), first)


def test_a_file_in_the_folder_s_place(tmp_path):
    module, x = sample(GatedMlp)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"Cannot write .*a part of the path is a file"):
        compiled(module, AOT_DIR=tmp_path / "file" / "deep")(x)
