"""The source is unpacked flat, with the tile configuration kept."""

import tarfile

from baselines.inference import llama_cpp


def test_unpacked_flat_and_patched(monkeypatch, tmp_path):
    inner = tmp_path / "made" / llama_cpp.SOURCE.name
    tiles = inner / "vendor" / "llama.cpp" / llama_cpp.TILE_FILE
    tiles.parent.mkdir(parents=True)
    tiles.write_text(f"void f() {{\n{llama_cpp.TILE_LOAD}\n}}\n", encoding="utf-8")
    with tarfile.open(tmp_path / f"{llama_cpp.SOURCE.name}.tar.gz", "w:gz") as archive:
        archive.add(inner, llama_cpp.SOURCE.name)
    monkeypatch.setattr(llama_cpp, "SOURCES", tmp_path)
    monkeypatch.setattr(llama_cpp, "run", lambda command, log: None)
    llama_cpp.unpack(tmp_path / "unpacked")
    patched = tmp_path / "unpacked" / "vendor" / "llama.cpp" / llama_cpp.TILE_FILE
    assert llama_cpp.TILE_KEPT in patched.read_text(encoding="utf-8")
