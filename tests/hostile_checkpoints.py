"""Checkpoints as strangers send them: a change to config.json, to the index, to a header, or to a file beside them."""

import json
import os
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.mutated_bytes import mutated

EXTREMES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**12, 10**30, 0.5, 1e300, float("nan"), float("inf"), "", "4",
    "x" * 500, "\x1b[31mred", "\ud800", [], [1], [[]], {}, {"a": 1}, [None], "../../etc/passwd",
)  # fmt: skip
QUANTIZATIONS: tuple[Any, ...] = (
    {}, [], "awq", {"quant_method": "awq"}, {"quant_method": None}, {"quant_method": ["awq"]},
    *({"quant_method": "awq", "bits": 4, "group_size": size, "version": "gemm"} for size in (0, -5, 10**9, "128")),
    *({"quant_method": "awq", "bits": bits, "group_size": 128} for bits in ("4", 3, None, [4], 10**30)),
    {"quant_method": "awq", "bits": 4, "version": {"a": 1}}, {"quant_method": "gptq", "bits": 4},
    *({"quant_method": "compressed-tensors", "config_groups": groups} for groups in ([], "x", {"g": 5}, {"g": {}}, 7)),
    {"quant_method": "compressed-tensors", "config_groups": {"g": {"format": "pack-quantized", "weights": "x"}}},
)  # fmt: skip
FIELDS = (
    "model_type", "architectures", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "vocab_size", "max_position_embeddings", "rms_norm_eps", "rope_theta", "rope_scaling",
    "rope_parameters", "head_dim", "tie_word_embeddings", "hidden_act", "layer_types", "sliding_window", "text_config",
    "vision_config", "torch_dtype", "dtype", "auto_map", "eos_token_id", "num_experts", "max_window_layers",
)  # fmt: skip
HOSTILE_JSON = (
    b"", b"[]", b"null", b"{", b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b'{"a": "\xff"}', b"[" * 200_000, b'{"a":' * 5000,
    b'{"model_type": "qwen2", "model_type": "llama"}', b'{"model_type": NaN}', b'{"a": ' + b"9" * 10_000 + b"}",
    b'{"model_type": "\\u0000"}', b'{"model_type": "\\ud800"}', b"\0" * 100,
)  # fmt: skip
BESIDE = ("generation_config.json", "tokenizer_config.json", "preprocessor_config.json", "tokenizer.json")


def change_config(folder: Path, chance: random.Random) -> None:
    """Another value, of any kind, in a field of config.json; or a quantization that is none."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    if chance.random() < 0.25:
        config["quantization_config"] = chance.choice(QUANTIZATIONS)
    for _ in range(chance.choice((1, 1, 2))):
        config[chance.choice(FIELDS)] = chance.choice(EXTREMES)
    path.write_text(json.dumps(config))


def change_json(folder: Path, chance: random.Random) -> None:
    """A JSON file that is none, or that two readers would read in two ways."""
    (folder / chance.choice(("config.json", *BESIDE))).write_bytes(chance.choice(HOSTILE_JSON))


def change_header(folder: Path, chance: random.Random) -> None:
    """Another entry in the header of the weights, whose length stays right."""
    path = next(iter(sorted(folder.glob("*.safetensors"))))
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    name = chance.choice([key for key in header if key != "__metadata__"])
    entry = header[name]
    values = (
        *EXTREMES,
        [-1, 2],
        [0, 2**63],
        [2**70, 2**71],
        [0.0, 4.0],
        [True, 2],
        [2**32, 2**32],
        [0] * 40,
        "F8",
        "Q4",
    )
    changes: tuple[Callable[[], object], ...] = (
        lambda: entry.update({chance.choice(("dtype", "shape", "data_offsets")): chance.choice(values)}),
        lambda: entry.pop(chance.choice(("dtype", "shape", "data_offsets"))),
        lambda: header.update(
            {chance.choice(("../x", "a\x1b[2J", "", "x" * 5000, "a/b", "..", "é")): header.pop(name)}
        ),
        lambda: header.update({name: chance.choice(values)}),
        lambda: header.update({"__metadata__": chance.choice(values)}),
        lambda: header.update({f"{name}.more": dict(entry)}),
    )
    chance.choice(changes)()
    text = json.dumps(header).encode()
    if chance.random() < 0.2:
        text = text[:-1] + b"," + text[1:]  # each name twice
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[start:])


def change_length(folder: Path, chance: random.Random) -> None:
    """Another length of the header."""
    path = next(iter(sorted(folder.glob("*.safetensors"))))
    content = path.read_bytes()
    length = chance.choice((0, 1, 2**63, 2**64 - 1, 2**32, 10**8 + 1, len(content), len(content) - 8))
    path.write_bytes(struct.pack("<Q", length) + content[8:])


def change_bytes(folder: Path, chance: random.Random) -> None:
    """A changed byte or part of any file; of the weights near their header."""
    path = chance.choice(sorted(file for file in folder.iterdir() if file.is_file()))
    content = path.read_bytes()
    path.write_bytes(mutated(content[:4000], chance) + content[4000:])


def change_index(folder: Path, chance: random.Random) -> None:
    """An index that puts tensors into files that there are not, or that are not of this folder."""
    name = "model.safetensors"
    shards = (
        "../x",
        "/etc/passwd",
        ".",
        "",
        "a\0b",
        "\x1b[2J",
        7,
        None,
        [name],
        "pipe.safetensors",
        "config.json",
        "é" * 300,
    )
    weight_map = chance.choice(
        ({"a": chance.choice(shards)}, {}, [], None, "x", {"a": name, "b": chance.choice(shards)})
    )
    (folder / name).unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    os.mkfifo(folder / "pipe.safetensors")


def change_files(folder: Path, chance: random.Random) -> None:
    """A file that is a pipe, a folder, or a link to a device, out of the folder, or in a circle."""
    path = folder / chance.choice(("config.json", "model.safetensors", "chat_template.jinja", *BESIDE))
    path.unlink(missing_ok=True)
    chance.choice((
        lambda: os.mkfifo(path),
        path.mkdir,
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.symlink_to("/etc/passwd"),
        lambda: path.symlink_to(path.name),
        lambda: path.symlink_to("nowhere"),
    ))()  # fmt: skip


CHANGES = (
    change_config, change_config, change_config, change_json, change_header, change_header, change_length, change_bytes,
    change_index, change_files,
)  # fmt: skip


def hostile(count: int, seed: int) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """`count` changes to be made in a folder of a good checkpoint with one file of weights, each with its name."""
    for number in range(count):
        change = CHANGES[number % len(CHANGES)]
        chance = random.Random(f"{seed} {number}")
        yield f"{change.__name__} {number}", lambda folder, change=change, chance=chance: change(folder, chance)
