"""Where everything that is made lies: under out/peers, which git ignores."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
DRIVERS = SCRIPTS / "peers" / "drivers"
MADE = ROOT / "out" / "peers"
ENVIRONMENTS = MADE / "env"
SOURCES = MADE / "source"
CHECKPOINTS = MADE / "checkpoints"
MODELS = MADE / "models"
LOGS = MADE / "log"
LLAMA_SOURCE = SOURCES / "llama_cpp_python-0.3.36"
LLAMA_BUILD = MADE / "llama.cpp"
# What the Python binding needs to find its own files and the compiled library.
LLAMA_VARIABLES = {"PYTHONPATH": str(LLAMA_SOURCE), "LLAMA_CPP_LIB_PATH": str(LLAMA_BUILD / "bin")}
