"""CPU flags as three kernels write them."""

import pytest

from tyllm.package import Target, cpu
from tyllm_errors import PackageError


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("processor : 0\nflags\t\t: fpu sse4_2 avx512_vnni\n", {"fpu", "sse4_2", "avx512_vnni"}),
        ("processor : 0\nFeatures\t: fp asimd asimddp\n", {"fp", "asimd", "asimddp"}),
        ("processor : 0\nisa\t\t: rv64imv_zba_zvfh\n", {"i", "m", "v", "zba", "zvfh"}),
        ("nothing\n", set()),
    ],
)
def test_flags(tmp_path, text, flags):
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu.cpu_flags(tmp_path / "cpuinfo") == flags


def test_no_file(tmp_path):
    assert cpu.cpu_flags(tmp_path / "cpuinfo") == set()


def test_spelling_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.setattr(cpu, "cpu_flags", lambda: frozenset({"avx512_vnni", "sse4_2"}))
    monkeypatch.setattr(cpu.platform, "machine", lambda: "x86_64")
    cpu.check_cpu(tmp_path, Target("t", "x86_64-linux-gnu", "", ("avx512vnni", "sse4.2")))
    with pytest.raises(PackageError, match="with amx_int8, which this one lacks"):
        cpu.check_cpu(tmp_path, Target("t", "x86_64-linux-gnu", "", ("avx512vnni", "amx_int8")))
