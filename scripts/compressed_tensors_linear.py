"""Makes tests/hf_checkpoint/compressed_tensors_linear.safetensors with the compressed-tensors package.

    pip install compressed-tensors && python scripts/compressed_tensors_linear.py

Every case is a linear layer of 20 outputs, compressed by the package from scales and zero points of its own, and
`<case>.weight`, the weight that the package decompresses it to. Made with version 0.20.0.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import torch
from safetensors.torch import save_file

OUTPUT = Path(__file__).parents[1] / "tests" / "hf_checkpoint" / "compressed_tensors_linear.safetensors"


def linear(bits: int, symmetric: bool, group_size: int | None, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """A random weight [20, 64] compressed, and decompressed again."""
    from compressed_tensors.compressors.pack_quantized.base import PackedQuantizationCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from compressed_tensors.quantization.utils import calculate_qparams

    weight = torch.randn(20, 64, dtype=dtype) / 20
    strategy = "channel" if group_size is None else "group"
    arguments = QuantizationArgs(num_bits=bits, symmetric=symmetric, group_size=group_size, strategy=strategy)
    groups = weight.unflatten(1, (-1, group_size or 64))
    scale, zero = calculate_qparams(groups.amin(-1), groups.amax(-1), arguments)
    scheme = QuantizationScheme(targets=["Linear"], weights=arguments, format="pack-quantized")
    tensors = {"weight": weight, "weight_scale": scale, "weight_zero_point": zero.to(torch.int8)}
    packed = PackedQuantizationCompressor.compress(tensors, scheme)
    return {**packed, "weight": PackedQuantizationCompressor.decompress(packed, scheme)["weight"]}


def main() -> None:
    """All cases in one file."""
    torch.manual_seed(0)
    tensors = {}
    for bits, symmetric, group_size in product((4, 8), (False, True), (32, None)):
        for dtype in (torch.float16, torch.bfloat16):
            name = f"{bits}.{'symmetric' if symmetric else 'asymmetric'}.{group_size or 'channel'}.{dtype}"
            parts = linear(bits, symmetric, group_size, dtype)
            tensors |= {f"{name.replace('torch.', '')}.{part}": tensor for part, tensor in parts.items()}
    save_file(tensors, OUTPUT)


if __name__ == "__main__":
    main()
