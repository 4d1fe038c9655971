"""llama.cpp compiled for this machine, from the source that its Python binding comes with."""

import tarfile
from pathlib import Path

from baselines.harness.environments import python
from baselines.harness.paths import MADE, SOURCES
from baselines.harness.steps import make, run

SOURCE = SOURCES / "llama_cpp_python-0.3.36"
BUILD = MADE / "llama.cpp"
PACKAGE = SOURCE.name.replace("llama_cpp_python-", "llama-cpp-python==")
# What the Python binding needs to find its own files and the compiled library.
VARIABLES = {"PYTHONPATH": str(SOURCE), "LLAMA_CPP_LIB_PATH": str(BUILD / "bin")}
# GCC 12 takes the tile configuration for a dead store, and the program dies of an illegal instruction. Newer compilers
# do not need this, and it changes nothing for them.
TILE_FILE = "ggml/src/ggml-cpu/amx/mmq.cpp"
TILE_LOAD = "    _tile_loadconfig(&tc);"
TILE_KEPT = '    __asm__ volatile("" : : "r"(&tc) : "memory");\n' + TILE_LOAD


def make_llama_cpp() -> None:
    """Unpack and compile, once; the environment "llama.cpp" has the tools for it; raises `StepError`."""
    make(SOURCE, "the source of llama.cpp", unpack)
    make(BUILD / "bin" / "ready", "llama.cpp", build)


def unpack(target: Path) -> None:
    """The source tree of the Python binding, with llama.cpp in vendor/."""
    download = [python("llama.cpp"), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    run([*download, "--dest", SOURCES, PACKAGE], "llama.cpp")
    with tarfile.open(SOURCES / f"{SOURCE.name}.tar.gz") as archive:
        archive.extractall(target, filter="data")
    inner = target / SOURCE.name
    for path in list(inner.iterdir()):
        path.rename(target / path.name)
    inner.rmdir()
    tiles = target / "vendor" / "llama.cpp" / TILE_FILE
    tiles.write_text(tiles.read_text(encoding="utf-8").replace(TILE_LOAD, TILE_KEPT), encoding="utf-8")


def build(ready: Path) -> None:
    """Compile the library for this processor."""
    tools, source = python("llama.cpp").parent, SOURCE / "vendor" / "llama.cpp"
    on, off = ("BUILD_SHARED_LIBS", "GGML_NATIVE"), ("CURL", "OPENSSL", "BUILD_COMMON", "BUILD_TOOLS", "BUILD_MTMD")
    switches = [f"-D{name}=ON" for name in on] + [f"-DLLAMA_{name}=OFF" for name in off]
    settings = ["-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}", *switches]
    run([tools / "cmake", "-G", "Ninja", "-S", source, "-B", BUILD, *settings], "llama.cpp")
    run([tools / "ninja", "-C", BUILD, "llama"], "llama.cpp")
    ready.touch()
