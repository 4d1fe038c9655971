"""AWQ INT4 quantisation of Hugging Face checkpoints, layer by layer, with AutoAWQ's public API."""

from awq.auto import AutoAWQForCausalLM

__all__ = ["AutoAWQForCausalLM"]
