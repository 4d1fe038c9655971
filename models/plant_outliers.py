"""The outlier variant of a checkpoint: the same function, with channels that ruin plain rounding.

    python models/plant_outliers.py models/tyllm-7m out/tyllm-7m-planted

On some channels the weight of a norm (or the rows of up_proj) grows by a factor, and the columns of the linear layers
that read the channel shrink by it. The factors are powers of two, so float16 keeps the values, down to its subnormals.
"""

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

# What makes the channels of a decoder layer, and the linear layers that read them.
CONSUMERS = {
    "input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "post_attention_layernorm": ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.up_proj": ("mlp.down_proj",),
}
FACTORS = (32.0, 64.0)
SHARE = 0.25  # of the channels


def draw(width: int, share: float, factors: tuple[float, ...], generator: torch.Generator) -> torch.Tensor:
    """(width,) ones, but for `share` of the channels, which get one of `factors`."""
    drawn = torch.ones(width)
    channels = torch.randperm(width, generator=generator)[: round(width * share)]
    drawn[channels] = torch.tensor(factors)[torch.randint(len(factors), channels.shape, generator=generator)]
    return drawn


def multipliers(
    config: dict[str, int], seed: int, share: float, factors: tuple[float, ...]
) -> Iterator[tuple[str, torch.Tensor]]:
    """Names of tensors, each with what it is multiplied by: a norm's weight, rows (width, 1) or columns (1, width)."""
    generator = torch.Generator().manual_seed(seed)
    for layer in range(config["num_hidden_layers"]):
        for source, consumers in CONSUMERS.items():
            is_linear = source.endswith("_proj")
            width = config["intermediate_size" if is_linear else "hidden_size"]
            drawn = draw(width, share, factors, generator)
            yield f"model.layers.{layer}.{source}.weight", drawn[:, None] if is_linear else drawn
            yield from ((f"model.layers.{layer}.{consumer}.weight", 1 / drawn[None]) for consumer in consumers)


def plant(
    checkpoint: Path,
    output: Path,
    seed: int = 0,
    share: float = SHARE,
    factors: tuple[float, ...] = FACTORS,
) -> None:
    """Writes the outlier variant of `checkpoint` to `output`.

    Args:
        checkpoint: Folder with config.json and safetensors; the architecture is Llama's, or one with its names of
            tensors and norms that multiply by their weight (Qwen2, Qwen3, Mistral).
        output: Folder to write; every other file of the checkpoint is copied into it.
        seed: Of the channels and their factors.
        share: Of the channels that are planted, 0 to 1.
        factors: One of these is drawn for each planted channel; powers of two keep the weights exact.

    Raises:
        ValueError: A tensor that should be rescaled is not in the checkpoint.
    """
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    planned = list(multipliers(config, seed, share, factors))
    shutil.copytree(checkpoint, output, dirs_exist_ok=True)
    missing = {name for name, _ in planned}
    for shard in sorted(output.glob("*.safetensors")):
        tensors = load_file(shard)
        for name, factor in planned:
            if name in tensors:
                tensors[name] = (tensors[name].float() * factor).to(tensors[name].dtype)
        missing -= tensors.keys()
        save_file(tensors, shard, metadata={"format": "pt"})
    if missing:
        raise ValueError(f"{checkpoint} has no tensor {min(missing)}: outliers can be planted in Llama's layout only.")


def main() -> None:
    """Reads the command line and plants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    plant(args.checkpoint, args.output, args.seed)


if __name__ == "__main__":
    main()
