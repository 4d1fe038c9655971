"""AWQ INT4 quantization of Hugging Face checkpoints, layer by layer, with AutoAWQ's public API."""

from awq.auto import AutoAWQForCausalLM
from awq.stream.load_quantized import load_quantized

__all__ = ["AutoAWQForCausalLM", "load_quantized"]
