"""A quantized folder opens as a float32 model that calls and generates like the one of `load_quantized`."""

import torch

from awq import AutoAWQForCausalLM, load_quantized

IDS = torch.tensor([[1, 2, 3]])


def test_it_calls_and_generates(checkpoint, tmp_path):
    model = AutoAWQForCausalLM.from_pretrained(checkpoint("llama"))
    model.quantize(quant_config={"q_group_size": 32}, method="rtn")
    model.save_quantized(tmp_path / "out")
    loaded = AutoAWQForCausalLM.from_quantized(tmp_path / "out")
    assert loaded.is_quantized
    assert loaded.generate(IDS, max_new_tokens=4, do_sample=False).shape == (1, 7)
    with torch.no_grad():
        torch.testing.assert_close(loaded(IDS).logits, load_quantized(tmp_path / "out")(IDS).logits)
