"""The quantized model to be tried, behind `AutoAWQForCausalLM.from_quantized`."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class DequantizedModel:
    """A quantized checkpoint as a float32 Hugging Face `model`, which calls and generates."""

    def __init__(self, path: Path, trust_remote_code: bool = False) -> None:
        from awq.stream.dequantize import load_dequantized

        self.model = load_dequantized(path, trust_remote_code=trust_remote_code)
        self.config = self.model.config
        self.is_quantized = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Hugging Face's forward."""
        return self.model(*args, **kwargs)

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """Hugging Face's `generate`."""
        return self.model.generate(*args, **kwargs)
