"""AutoAWQ 0.2.9's own run, with one mistake of it patched, in its own environment; the settings are a type.

    python drive_autoawq.py --linear OUTPUT.safetensors

packs one random linear layer instead of quantizing a checkpoint.
"""

import sys
from typing import Any

import torch
from awq.modules.linear import WQLinear_GEMM
from awq.quantize.quantizer import AwqQuantizer
from baselines.quantization.drivers.job import Job, read_job, report_cost
from safetensors.torch import save_file

from awq import AutoAWQForCausalLM


def patch_aliasing() -> None:
    """Make the scale search restore the weights that it started from.

    On a CPU `_compute_best_scale` keeps `.cpu()` of each weight, which is the weight itself, and then changes it in
    place, so every step of the grid would start from the step before. Here it is given copies.
    """
    original = AwqQuantizer._compute_best_scale

    def patched(self: Any, x: Any, w_mean: Any, x_mean: Any, module: Any, *rest: Any, **named: Any) -> Any:
        taken = module.state_dict
        module.state_dict = lambda: {name: tensor.detach().clone() for name, tensor in taken().items()}
        try:
            return original(self, x, w_mean, x_mean, module, *rest, **named)
        finally:
            del module.state_dict

    AwqQuantizer._compute_best_scale = patched


def quantize(job: Job) -> None:
    """Quantize everything but the head, as AutoAWQ does."""
    patch_aliasing()
    dtype = getattr(torch, job.settings)
    model = AutoAWQForCausalLM.from_pretrained(job.checkpoint, torch_dtype=dtype, device_map="cpu")
    config = {"zero_point": True, "q_group_size": job.group_size, "w_bit": 4, "version": "GEMM"}
    budget = {"max_calib_samples": len(job.samples), "max_calib_seq_len": len(job.samples[0])}
    model.quantize(None, quant_config=config, calib_data=job.samples, **budget)
    model.save_quantized(job.output)


def pack_linear(output: str, group_size: int = 32) -> None:
    """Save one random linear layer as AutoAWQ makes it: rounded weight, scales, zeros, and all three packed."""
    torch.manual_seed(0)
    linear = torch.nn.Linear(64, 32, bias=False).half()
    rounder = AwqQuantizer.__new__(AwqQuantizer)
    rounder.group_size, rounder.zero_point, rounder.w_bit = group_size, True, 4
    linear.weight.data, scales, zeros = rounder.pseudo_quantize_tensor(linear.weight.data)
    transposed = scales.t().contiguous(), zeros.t().contiguous()
    packed = WQLinear_GEMM.from_linear(linear, 4, group_size, scales=transposed[0], zeros=transposed[1])
    made = {"qweight": packed.qweight, "qzeros": packed.qzeros, "scales": packed.scales}
    save_file({"rounded": linear.weight.data, "zeros": zeros, **made}, output)


if __name__ == "__main__":
    if sys.argv[1] == "--linear":
        pack_linear(sys.argv[2])
    else:
        given = read_job()
        with report_cost():
            quantize(given)
