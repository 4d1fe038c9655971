"""The file that the script made has all its cases."""

from compressed_tensors_linear import OUTPUT
from safetensors.torch import load_file


def test_every_case_is_in_the_file():
    cases = {name.rpartition(".")[0] for name in load_file(OUTPUT)}
    assert len(cases) == 2 * 2 * 2 * 2  # bits, symmetric, group, dtype
    assert {case.split(".")[0] for case in cases} == {"4", "8"}
