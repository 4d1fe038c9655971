"""One layer's task: what is quantized, and what is stored."""

import torch

from hf_checkpoint.awq_gemm import PackedLinear, unpack_linear


def test_without_calibration_weights_are_rounded_to_nearest(visited):
    _, task, _ = visited
    stored = task.quantized_to_nearest()
    assert "model.layers.0.self_attn.k_proj.weight" in stored  # left float by the user's wish
    packed = PackedLinear(*(stored[f"model.layers.0.mlp.up_proj.{field}"] for field in PackedLinear._fields))
    error = torch.from_numpy(unpack_linear(packed).dequantize()) - task.layer.mlp.up_proj.weight
    assert (error.unflatten(1, (-1, 32)).abs().amax(-1) <= torch.from_numpy(packed.scales.T).float() * 1.01).all()
    assert {tensor.dtype.name for name, tensor in stored.items() if "norm" in name} == {"float16"}
