"""AutoAWQ 0.2.9's own run, with one mistake of it mended; runs in the environment that autoawq_oracle.py makes.

    python autoawq_quantize.py CHECKPOINT TOKENS.json OUTPUT GROUP_SIZE float16|float32
    python autoawq_quantize.py --linear OUTPUT.safetensors

The first quantises a checkpoint with the calibration tokens given, the second packs one random linear layer.
"""

import json
import sys
from typing import Any

import torch
from awq.modules.linear import WQLinear_GEMM
from awq.quantize.quantizer import AwqQuantizer
from safetensors.torch import save_file

from awq import AutoAWQForCausalLM


def mend_aliasing() -> None:
    """Make the scale search restore the weights that it started from.

    On a CPU `_compute_best_scale` keeps `.cpu()` of each weight, which is the weight itself, and then changes it in
    place, so every step of the grid would start from the step before. Here it is given copies.
    """
    original = AwqQuantizer._compute_best_scale

    def mended(self: Any, x: Any, w_mean: Any, x_mean: Any, module: Any, *rest: Any, **named: Any) -> Any:
        taken = module.state_dict
        module.state_dict = lambda: {name: tensor.detach().clone() for name, tensor in taken().items()}
        try:
            return original(self, x, w_mean, x_mean, module, *rest, **named)
        finally:
            del module.state_dict

    AwqQuantizer._compute_best_scale = mended


def quantize(checkpoint: str, tokens: str, output: str, group_size: str, dtype: str) -> None:
    """Quantise everything but the head, as AutoAWQ does."""
    mend_aliasing()
    with open(tokens, encoding="utf-8") as file:  # noqa: PTH123
        samples = json.load(file)
    model = AutoAWQForCausalLM.from_pretrained(checkpoint, torch_dtype=getattr(torch, dtype), device_map="cpu")
    config = {"zero_point": True, "q_group_size": int(group_size), "w_bit": 4, "version": "GEMM"}
    budget = {"max_calib_samples": len(samples), "max_calib_seq_len": len(samples[0])}
    model.quantize(None, quant_config=config, calib_data=samples, **budget)
    model.save_quantized(output)


def pack_linear(output: str, group_size: int = 32) -> None:
    """Save what AutoAWQ makes of one random linear layer: rounded weight, scales, zeros, and all three packed."""
    torch.manual_seed(0)
    linear = torch.nn.Linear(64, 32, bias=False).half()
    rounder = AwqQuantizer.__new__(AwqQuantizer)
    rounder.group_size, rounder.zero_point, rounder.w_bit = group_size, True, 4
    linear.weight.data, scales, zeros = rounder.pseudo_quantize_tensor(linear.weight.data)
    turned = scales.t().contiguous(), zeros.t().contiguous()
    packed = WQLinear_GEMM.from_linear(linear, 4, group_size, scales=turned[0], zeros=turned[1])
    made = {"qweight": packed.qweight, "qzeros": packed.qzeros, "scales": packed.scales}
    save_file({"rounded": linear.weight.data, "zeros": zeros, **made}, output)


if __name__ == "__main__":
    pack_linear(sys.argv[2]) if sys.argv[1] == "--linear" else quantize(*sys.argv[1:])
