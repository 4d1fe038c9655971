"""Code for another CPU is refused."""

import pytest

from tyllm.package import Target, cpu
from tyllm_base.errors import PackageError


def test_spelling_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.setattr(cpu, "cpu_flags", lambda: frozenset({"avx512_vnni", "sse4_2"}))
    monkeypatch.setattr(cpu.platform, "machine", lambda: "x86_64")
    cpu.check_cpu(tmp_path, Target("t", "x86_64-linux-gnu", "", ("avx512vnni", "sse4.2")))
    with pytest.raises(PackageError, match="with amx_int8, which this one lacks"):
        cpu.check_cpu(tmp_path, Target("t", "x86_64-linux-gnu", "", ("avx512vnni", "amx_int8")))
