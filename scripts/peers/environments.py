"""The peers' environments: a virtual environment each, versions pinned; llama.cpp is compiled for this machine."""

import sys
import tarfile
from pathlib import Path

from places import ENVIRONMENTS, LLAMA_BUILD, LLAMA_SOURCE, SOURCES
from steps import make, run, say

TORCH = "torch==2.13.0"
REQUIREMENTS = {
    "openvino": (
        "openvino==2026.4.1", "openvino-genai==2026.4.1.0", "openvino-tokenizers==2026.4.1.0",
        "optimum-intel==2.2.0", "nncf==3.4.0", "transformers==5.5.4", TORCH,
    ),
    "onnxruntime": (
        "onnxruntime==1.31.1", "onnxruntime-genai==0.18.0", "onnx==1.23.2", "onnx-ir==1.1.0",
        "onnxscript==0.7.2", "transformers==5.23.0", "sentencepiece==0.2.3", TORCH,
    ),
    "llama.cpp": (
        "cmake==4.4.4", "ninja==1.13.2", "numpy==2.4.6", "typing_extensions==4.16.0", "diskcache==5.6.3",
        "jinja2==3.1.6", "transformers==5.17.0", "sentencepiece==0.2.3", "protobuf==7.36.2", TORCH,
    ),
}  # fmt: skip
UNWANTED = {"openvino": ("torchvision",)}  # PyPI's does not match a torch for the CPU alone
# GCC 12 takes the tile configuration for a dead store, and the program dies of an illegal instruction. Newer compilers
# do not need this, and it changes nothing for them.
TILE_FILE = "ggml/src/ggml-cpu/amx/mmq.cpp"
TILE_LOAD = "    _tile_loadconfig(&tc);"
TILE_KEPT = '    __asm__ volatile("" : : "r"(&tc) : "memory");\n' + TILE_LOAD
LLAMA_PACKAGE = LLAMA_SOURCE.name.replace("llama_cpp_python-", "llama-cpp-python==")


def python(name: str) -> Path:
    """The interpreter of an environment."""
    return ENVIRONMENTS / name / "bin" / "python"


def make_environment(name: str) -> None:
    """Make the environment, or make it anew if it is unfinished or its versions have changed; raises `StepError`."""
    ready, wanted = ENVIRONMENTS / name / "requirements.txt", "\n".join(REQUIREMENTS[name]) + "\n"
    if not ready.is_file() or ready.read_text(encoding="utf-8") != wanted:
        say(f"making the environment of {name} …")
        run([sys.executable, "-m", "venv", "--clear", ENVIRONMENTS / name], name)
        run([python(name), "-m", "pip", "install", "--quiet", *REQUIREMENTS[name]], name)
        for package in UNWANTED.get(name, ()):
            run([python(name), "-m", "pip", "uninstall", "--quiet", "--yes", package], name)
        ready.write_text(wanted, encoding="utf-8")
    if name == "llama.cpp":
        make(LLAMA_SOURCE, "the source of llama.cpp", unpack_llama)
        make(LLAMA_BUILD / "bin" / "ready", "llama.cpp", build_llama)


def unpack_llama(target: Path) -> None:
    """The source tree of the Python binding, with llama.cpp in vendor/."""
    download = [python("llama.cpp"), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    run([*download, "--dest", SOURCES, LLAMA_PACKAGE], "llama.cpp")
    with tarfile.open(SOURCES / f"{LLAMA_SOURCE.name}.tar.gz") as archive:
        archive.extractall(target, filter="data")
    inner = target / LLAMA_SOURCE.name
    for path in list(inner.iterdir()):
        path.rename(target / path.name)
    inner.rmdir()
    tiles = target / "vendor" / "llama.cpp" / TILE_FILE
    tiles.write_text(tiles.read_text(encoding="utf-8").replace(TILE_LOAD, TILE_KEPT), encoding="utf-8")


def build_llama(ready: Path) -> None:
    """Compile the library for this processor."""
    tools, source = python("llama.cpp").parent, LLAMA_SOURCE / "vendor" / "llama.cpp"
    on, off = ("BUILD_SHARED_LIBS", "GGML_NATIVE"), ("CURL", "OPENSSL", "BUILD_COMMON", "BUILD_TOOLS", "BUILD_MTMD")
    switches = [f"-D{name}=ON" for name in on] + [f"-DLLAMA_{name}=OFF" for name in off]
    settings = ["-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}", *switches]
    run([tools / "cmake", "-G", "Ninja", "-S", source, "-B", LLAMA_BUILD, *settings], "llama.cpp")
    run([tools / "ninja", "-C", LLAMA_BUILD, "llama"], "llama.cpp")
    ready.touch()
