"""Checkpoints with random weights, of any architecture and size that transformers knows, written shard by shard.

    python models/random_weights.py Qwen2-7B out/qwen2-7b             # full size: 15 GB of disk, under 1 GiB of memory
    python models/random_weights.py Qwen2-7B out/small --small        # the same peculiarities in a few megabytes
    python models/random_weights.py Qwen2.5-VL-7B-Instruct out/vl --layers 2 --vision-layers 4
    python models/random_weights.py Qwen3-30B-A3B out/30b --awq           # linear layers in AutoAWQ's INT4: 16 GB

Normal values are drawn once, for one block, and every tensor is that block repeated from a place of its own.
"""

import argparse
import copy
import json
import math
import zlib
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from preprocessor import preprocessor_config
from random_awq import CONFIG as AWQ_CONFIG
from random_awq import as_awq, repeated
from small_config import CONFIGS, VISION_CONFIGS, read_config, small_config, with_layers
from tokenizer import (
    CHAT_TEMPLATE,
    TEXT_SPECIALS,
    VISION_CHAT_TEMPLATE,
    VISION_SPECIALS,
    chat_tokenizer,
    save_tokenizer,
    train_bpe,
)

from hf_checkpoint import mxfp4
from hf_checkpoint.experts import expert_modules, expert_parameters
from hf_checkpoint.safetensors_file import Blocks, write_safetensors

TRAINED = Path(__file__).with_name("tyllm-7m")  # its tokenizer serves every vocabulary that is large enough
BLOCK = 4_194_301  # values; a prime, so that no two rows of a matrix are the same
SHARD = 2 * 1024**3  # bytes
BYTES = 256  # the smallest byte-level vocabulary, but for the special tokens
PUBLISHED_SPECIALS = (151643, 151644, 151645)  # ids of TEXT_SPECIALS in the vocabularies of the Qwen2 family
VISION_IDS = ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")
DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32}


@cache
def block(mean: float, deviation: float, dtype: str, seed: int) -> np.ndarray[Any, np.dtype[Any]]:
    """(BLOCK,) normal values."""
    values = np.random.default_rng(seed).standard_normal(BLOCK, dtype=np.float32)
    return (values * np.float32(deviation) + np.float32(mean)).astype(DTYPES[dtype])


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
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    kind = AutoModelForImageTextToText if "vision_config" in config else AutoModelForCausalLM
    with torch.device("meta"):  # transformers writes into the nested dictionaries that it is given
        model = kind.from_config(AutoConfig.for_model(**copy.deepcopy(config)))
    if expert_modules(model):
        yield from mixture_tensors(model, dtype, seed)
        return
    seen = set()
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                full, shape = published_name(f"{prefix}.{name}".lstrip(".")), tuple(parameter.shape)
                yield full, random_tensor(full, shape, distribution(module, name, shape), dtype, seed)


def mixture_tensors(model: Any, dtype: str, seed: int) -> Iterator[tuple[str, Blocks]]:
    """Every tensor of a mixture of experts, each expert's on its own, as the model hub's checkpoints have them."""
    from transformers.core_model_loading import revert_weight_conversion

    tensors = dict(model.named_parameters())
    tensors |= {name: each for name, each in model.named_buffers() if name in model.state_dict()}
    quantization = getattr(model.config, "quantization_config", None) or {}
    stacks = expert_parameters(model) if quantization.get("quant_method") == mxfp4.METHOD else {}
    for name, tensor in revert_weight_conversion(model, tensors).items():
        shape = tuple(tensor.shape)
        if name in stacks:
            yield from mxfp4_tensors(name, (shape[0], shape[2], shape[1]), seed)
            continue
        yield name, random_tensor(name, shape, distribution(model, name.rpartition(".")[2], shape), dtype, seed)


def mxfp4_tensors(name: str, shape: tuple[int, int, int], seed: int) -> Iterator[tuple[str, Blocks]]:
    """A stack [experts, outputs, inputs] in MXFP4: any code, and scales that keep the activations near one."""
    deviation = np.sqrt(np.mean(mxfp4.VALUES**2) * shape[2])
    middle = mxfp4.BIAS - round(math.log2(deviation))
    ranges = {mxfp4.BLOCKS: (0, 256), mxfp4.SCALES: (middle - 1, middle + 2)}
    for (ending, span), own in zip(ranges.items(), mxfp4.shapes(*shape), strict=True):
        start = zlib.crc32((name + ending).encode()) % BLOCK
        parts = partial(repeated, bytes_between(*span, seed), start, math.prod(own))
        yield name + ending, Blocks(np.dtype(np.uint8), own, parts)


@cache
def bytes_between(low: int, high: int, seed: int) -> np.ndarray[Any, np.dtype[Any]]:
    """(BLOCK,) bytes from `low` up to below `high`, all as often."""
    return np.random.default_rng(seed).integers(low, high, BLOCK, dtype=np.uint8)


def published_name(name: str) -> str:
    """The name that a tensor has in the model hub's checkpoints: transformers nests the parts of Qwen2-VL deeper."""
    return name.replace("model.visual.", "visual.").replace("model.language_model.", "model.")


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


def special_tokens(config: dict[str, Any]) -> dict[str, int]:
    """Ids of the special tokens: the first ones, or a vision-language model's published ones."""
    if "vision_config" not in config:
        return dict(zip(TEXT_SPECIALS, range(3), strict=True))
    ids = [config[key] for key in VISION_IDS]
    return dict(zip(VISION_SPECIALS, (*(range(3) if min(ids) == 3 else PUBLISHED_SPECIALS), *ids), strict=True))


def covering_tokenizer(config: dict[str, Any]) -> Any:
    """A tokenizer that can decode every id: the trained one or plain bytes, then made-up words such as <5000>.

    Raises:
        ValueError: The vocabulary is too small for the 256 bytes and the special tokens.
    """
    from tokenizers import Tokenizer

    vocab_size, special = config["vocab_size"], special_tokens(config)
    if vocab_size < BYTES + len(special):
        least = BYTES + len(special)
        raise ValueError(f"A vocabulary of {vocab_size} is too small for bytes; give at least {least}.")
    trained = TRAINED / "tokenizer.json"
    if trained.is_file() and vocab_size >= Tokenizer.from_file(str(trained)).get_vocab_size() + len(special) - len(
        TEXT_SPECIALS
    ):
        description = json.loads(trained.read_text(encoding="utf-8"))
    else:
        description = json.loads(train_bpe([], BYTES + len(special), tuple(special)).to_str())
    rearrange(description, special, vocab_size)
    template = VISION_CHAT_TEMPLATE if "vision_config" in config else CHAT_TEMPLATE
    return chat_tokenizer(Tokenizer.from_str(json.dumps(description)), config["max_position_embeddings"], template)


def rearrange(description: dict[str, Any], special: dict[str, int], vocab_size: int) -> None:
    """Gives the special tokens of a tokenizer.json their ids, the others the ids left; the rest are made-up words."""
    words = [word for word in description["model"]["vocab"] if word not in special]
    free = [i for i in range(vocab_size) if i not in special.values()]
    words += [f"<{i}>" for i in free[len(words) :]]
    description["model"]["vocab"] = special | dict(zip(words, free, strict=True))
    like = description["added_tokens"][0]
    description["added_tokens"] = [like | {"id": i, "content": token} for token, i in special.items()]


def write_random_checkpoint(
    config: dict[str, Any],
    output: Path,
    dtype: str = "float16",
    seed: int = 0,
    shard: int = SHARD,
    awq: bool = False,
) -> None:
    """Writes a checkpoint folder: config, weights, tokenizer.

    Args:
        config: As in a config.json; its special tokens are replaced by the tokenizer's.
        output: Folder to write.
        dtype: "float16", "bfloat16" or "float32".
        seed: The same seed, config and type give the same bytes.
        shard: Bytes of weights a file.
        awq: Linear layers in INT4, as AutoAWQ stores them; `dtype` is that of the others.

    Raises:
        ValueError: The vocabulary is too small.
        tyllm_base.errors.OutputError: The folder cannot be written.
    """
    tokenizer = covering_tokenizer(config)
    end, _, turn_end = tokenizer.convert_tokens_to_ids(list(TEXT_SPECIALS))
    special = {"bos_token_id": None, "eos_token_id": turn_end, "pad_token_id": end}
    config = config | special | {"torch_dtype": dtype}
    named = tensors(config, dtype, seed)
    if awq:
        named, config = as_awq(named, seed), config | {"quantization_config": AWQ_CONFIG}
    groups = shards(named, shard)
    output.mkdir(parents=True, exist_ok=True)
    write_weights(groups, output)
    save_tokenizer(tokenizer, output)
    write_json(output / "config.json", config)
    write_json(output / "generation_config.json", {"eos_token_id": [turn_end, end], "pad_token_id": end})
    if "vision_config" in config:
        write_json(output / "preprocessor_config.json", preprocessor_config(config["model_type"]))


def main() -> None:
    """Reads the command line and writes the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help=f"path of a config.json, or one of {', '.join(CONFIGS + VISION_CONFIGS)}")
    parser.add_argument("output", type=Path)
    parser.add_argument("--small", action="store_true", help="two or three layers, a few hundred wide")
    parser.add_argument("--dtype", choices=list(DTYPES), default="float16")
    parser.add_argument("--awq", action="store_true", help="linear layers in INT4, in AutoAWQ's format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layers", type=int, help="number of layers, instead of the config's")
    parser.add_argument("--vision-layers", type=int, help="number of the vision tower's, likewise")
    args = parser.parse_args()
    config = small_config(args.config) if args.small else read_config(args.config)
    config = with_layers(config, args.layers, args.vision_layers)
    write_random_checkpoint(config, args.output, args.dtype, args.seed, awq=args.awq)


if __name__ == "__main__":
    main()
