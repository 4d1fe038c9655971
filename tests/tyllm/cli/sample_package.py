"""A package of one die made by hand: everything that can be read about one is there, and no code that runs."""

import json
from pathlib import Path

import numpy as np

from tyllm.package import BufferConfig, Die, IoEntry, KvLayer, Manifest, Program, Target, file_entries, write_params
from tyllm.package.cpu import platform

STEP = {
    "kernel": "rms_norm",
    "reads": [],
    "writes": [],
    "barrier_before": False,
    "cost": {"operations": {}, "bytes_read": 10, "bytes_written": 2},
}


def write_package(folder: Path) -> Path:
    """Write the package into `folder`, which need not exist, and return it."""
    code = folder / "batch_1" / "seqlen_1"
    code.mkdir(parents=True)
    write_params(
        folder / "batch_1" / "common_die0.params",
        {"a": np.zeros(64, np.float16), "b": np.zeros(32, np.uint8), "c": np.zeros((3, 3), np.float16)},
    )
    write_params(code / "llm_die0.params", {"cos": np.zeros(16, np.float32)})
    (code / "llm_die0.so").write_bytes(bytes(100))
    (folder / "empty.bin").touch()
    (folder / "config.json").write_text("{}")
    steps = {"body": [STEP, {**STEP, "barrier_before": True}], "head": [{**STEP, "kernel": "linear"}], "buffers": {}}
    (folder / "program.json").write_text(json.dumps({"dies": [{"die": 0, "programs": {"1": steps}}]}))
    program = Program(7, 64, {"tokens": IoEntry(0, (1, 1), "int64")})
    die = Die(0, (0, 50), 4096, (KvLayer(0, 2048, 1, 8, 8),), {1: program})
    BufferConfig(64, 71, (1,), (die,)).write(folder)
    manifest().write(folder)
    manifest(file_entries(folder)).write(folder)
    return folder


def manifest(files=()) -> Manifest:
    return Manifest(
        tyllm_version="2.0.0",
        architecture="Qwen2ForCausalLM",
        model_type="qwen2",
        vocab_size=50,
        hidden_size=64,
        layers=1,
        dies=1,
        seq_lens=(1,),
        max_kv_cache_size=64,
        embedding_as_input=False,
        activations="int8",
        quantization={"method": "awq", "bits": 4, "group_size": 32},
        target=Target("plain", f"{platform.machine()}-linux-gnu"),
        exports={"body": "llm_body", "head": "llm_head"},
        built_with={"torch": "2.13.0"},
        source={"checkpoint": "tiny", "config_sha256": "0123456789abcdef"},
        files=dict(files),
    )
