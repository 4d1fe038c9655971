"""Checkpoints with random weights, of any architecture and size that transformers knows, written shard by shard.

    python models/random_weights.py Qwen2-7B out/qwen2-7b             # full size: 15 GB of disk, under 1 GiB of memory
    python models/random_weights.py Qwen2-7B out/small --small        # the same peculiarities in a few megabytes

Normal values are drawn once, for one block, and every tensor is that block repeated from a place of its own.
"""

import argparse
import copy
import json
import math
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from small_config import CONFIGS, read_config, small_config
from tokenizer import END_OF_TEXT, TURN_END, chat_tokenizer, save_tokenizer, train_bpe

from awq.safetensors_file import Blocks, write_safetensors

TRAINED = Path(__file__).with_name("tyllm-7m")  # its tokenizer serves every vocabulary that is large enough
BLOCK = 4_194_301  # values; a prime, so that no two rows of a matrix are the same
SHARD = 2 * 1024**3  # bytes
BYTES_AND_SPECIALS = 256 + 3  # the smallest byte-level vocabulary
DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32}


@cache
def block(mean: float, deviation: float, dtype: str, seed: int) -> np.ndarray[Any, np.dtype[Any]]:
    """(BLOCK,) normal values."""
    values = np.random.default_rng(seed).standard_normal(BLOCK, dtype=np.float32)
    return (values * np.float32(deviation) + np.float32(mean)).astype(DTYPES[dtype])


def repeated(values: np.ndarray[Any, np.dtype[Any]], start: int, count: int) -> Iterator[np.ndarray[Any, Any]]:
    """`count` values: `values` from `start` on, again and again."""
    while count:
        part = values[start : start + count]
        yield part
        start, count = 0, count - len(part)


def distribution(module: Any, name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Mean and standard deviation of a tensor: what keeps the activations near one, and norms that differ a little."""
    if len(shape) > 1:
        return 0.0, 1 / math.sqrt(shape[-1])
    if name == "bias":
        return 0.0, 0.05
    return (0.0 if "Gemma" in type(module).__name__ else 1.0), 0.1  # Gemma's norms multiply by 1 + weight


def tensors(config: dict[str, Any], dtype: str, seed: int) -> Iterator[tuple[str, Blocks]]:
    """Every tensor of the model that `config` describes, in the model's order; a tied one once."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):  # transformers writes into the nested dictionaries that it is given
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**copy.deepcopy(config)))
    seen = set()
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                full, shape = f"{prefix}.{name}".lstrip("."), tuple(parameter.shape)
                yield full, random_tensor(full, shape, distribution(module, name, shape), dtype, seed)


def random_tensor(name: str, shape: tuple[int, ...], normal: tuple[float, float], dtype: str, seed: int) -> Blocks:
    """A tensor whose values depend on its name, `normal` (mean, deviation), `dtype` and `seed` alone."""
    start, count = zlib.crc32(name.encode()) % BLOCK, math.prod(shape)
    return Blocks(np.dtype(DTYPES[dtype]), shape, lambda: repeated(block(*normal, dtype, seed), start, count))


def shards(named: Iterable[tuple[str, Blocks]], limit: int) -> list[dict[str, Blocks]]:
    """The tensors in order, in as few shards as `limit` bytes each allow."""
    groups: list[dict[str, Blocks]] = [{}]
    size = 0
    for name, tensor in named:
        if groups[-1] and size + tensor.nbytes > limit:
            groups.append({})
            size = 0
        groups[-1][name] = tensor
        size += tensor.nbytes
    return groups


def write_weights(groups: list[dict[str, Blocks]], output: Path) -> None:
    """Writes model.safetensors, or numbered shards with their index."""
    if len(groups) == 1:
        write_safetensors(output / "model.safetensors", groups[0])
        return
    files = [f"model-{i:05}-of-{len(groups):05}.safetensors" for i in range(1, len(groups) + 1)]
    for file, group in zip(files, groups, strict=True):
        write_safetensors(output / file, group)
    total = sum(tensor.nbytes for group in groups for tensor in group.values())
    weight_map = {name: file for file, group in zip(files, groups, strict=True) for name in group}
    write_json(output / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": weight_map})


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def covering_tokenizer(vocab_size: int, longest: int) -> Any:
    """A tokenizer that can decode `vocab_size` ids: the trained one or plain bytes, then made-up words such as <5000>.

    Raises:
        ValueError: The vocabulary is too small for the 256 bytes and the special tokens.
    """
    from tokenizers import Tokenizer

    if vocab_size < BYTES_AND_SPECIALS:
        raise ValueError(f"A vocabulary of {vocab_size} is too small for bytes; give at least {BYTES_AND_SPECIALS}.")
    trained = TRAINED / "tokenizer.json"
    if trained.is_file() and vocab_size >= Tokenizer.from_file(str(trained)).get_vocab_size():
        description = json.loads(trained.read_text(encoding="utf-8"))
    else:
        description = json.loads(train_bpe([], BYTES_AND_SPECIALS).to_str())
    words = description["model"]["vocab"]
    words.update({f"<{i}>": i for i in range(len(words), vocab_size)})
    return chat_tokenizer(Tokenizer.from_str(json.dumps(description)), longest)


def write_random_checkpoint(
    config: dict[str, Any], output: Path, dtype: str = "float16", seed: int = 0, shard: int = SHARD
) -> None:
    """Writes a checkpoint folder: config, weights, tokenizer.

    Args:
        config: As in a config.json; its special tokens are replaced by the tokenizer's.
        output: Folder to write.
        dtype: "float16", "bfloat16" or "float32".
        seed: The same seed, config and type give the same bytes.
        shard: Bytes of weights a file.

    Raises:
        ValueError: The vocabulary is too small.
        awq.errors.OutputError: The folder cannot be written.
    """
    tokenizer = covering_tokenizer(config["vocab_size"], config["max_position_embeddings"])
    end, turn_end = tokenizer.convert_tokens_to_ids([END_OF_TEXT, TURN_END])
    special = {"bos_token_id": None, "eos_token_id": turn_end, "pad_token_id": end}
    config = config | special | {"torch_dtype": dtype}
    groups = shards(tensors(config, dtype, seed), shard)
    output.mkdir(parents=True, exist_ok=True)
    write_weights(groups, output)
    save_tokenizer(tokenizer, output)
    write_json(output / "config.json", config)
    write_json(output / "generation_config.json", {"eos_token_id": [turn_end, end], "pad_token_id": end})


def main() -> None:
    """Reads the command line and writes the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help=f"path of a config.json, or one of {', '.join(CONFIGS)}")
    parser.add_argument("output", type=Path)
    parser.add_argument("--small", action="store_true", help="two or three layers, a few hundred wide")
    parser.add_argument("--dtype", choices=list(DTYPES), default="float16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layers", type=int, help="number of layers, instead of the config's")
    args = parser.parse_args()
    config = small_config(args.config) if args.small else read_config(args.config)
    if args.layers:
        config["num_hidden_layers"] = args.layers
    write_random_checkpoint(config, args.output, args.dtype, args.seed)


if __name__ == "__main__":
    main()
