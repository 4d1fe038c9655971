"""A library says what its programs need, as it was told when it was linked."""

import ctypes
import subprocess

from tyllm.build.needs_table import c_source, compile_needs
from tyllm.native import FOLDER, compile_flags, link_flags, sources
from tyllm.package.code_needs import CodeNeeds
from tyllm.runtime.execute.binding import NeedsStruct
from tytvm.target import resolve

NEEDS = [
    CodeNeeds("first", "head", "0" * 64, 1, 2, 3, 4, 5, 2**46),
    CodeNeeds("module_540x960", "", "a" * 64, 10, 20, 30, 35, 40, 50),
]


def test_a_library_says_what_it_was_told(tmp_path):
    made = compile_needs(NEEDS, tmp_path / "llm_die0.so", resolve("native"))
    assert {path.name for path in tmp_path.iterdir()} == {made.name}
    command = ["gcc", *compile_flags(), f"-I{FOLDER}", *sources(), made, *link_flags(), "-o", tmp_path / "x.so"]
    subprocess.run(command, check=True)
    library = ctypes.CDLL(str(tmp_path / "x.so"))
    library.tyllm_needs_of.restype = ctypes.POINTER(NeedsStruct)
    for needs in NEEDS:
        found = library.tyllm_needs_of(needs.body.encode()).contents
        values = [getattr(found, name) for name, _ in NeedsStruct._fields_]
        assert [v.decode() if isinstance(v, bytes) else v for v in values] == list(vars(needs).values())
    assert not library.tyllm_needs_of(b"other")


def test_the_table_in_c():
    lines = c_source(NEEDS).splitlines()
    assert lines[2].strip() == '{"first", "head", "' + "0" * 64 + f'", 1u, 2u, 3u, 4u, 5u, {2**46}u}},'
    assert lines[-1] == "const uint32_t tyllm_needs_count = 2;"
