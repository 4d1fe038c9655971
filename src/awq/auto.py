"""AutoAWQ's public entry, `AutoAWQForCausalLM`, with AutoAWQ's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from awq.dequantized_model import DequantizedModel
from awq.model import AwqModel
from hf_checkpoint.checkpoint import Checkpoint
from hf_checkpoint.hub import local_folder
from tyllm_base.doors import Door
from tyllm_base.errors import CheckpointError, SettingError
from tyllm_base.user_path import user_path


class AutoAWQForCausalLM:
    """Opens models: `from_pretrained` to quantize one, `from_quantized` to try a quantized one."""

    def __init__(self) -> None:
        raise SettingError("AutoAWQForCausalLM is not made directly; use from_pretrained or from_quantized.")

    @staticmethod
    @Door(CheckpointError)
    def from_pretrained(
        model_path: str | Path,
        torch_dtype: Any = "auto",
        trust_remote_code: bool = False,
        safetensors: bool = True,
        device_map: Any = None,
        download_kwargs: dict[str, Any] | None = None,
        low_cpu_mem_usage: bool = True,
        use_cache: bool = False,
        *,
        cache_dir: str | None = None,
        **model_init_kwargs: Any,
    ) -> AwqModel:
        """Open a float checkpoint for quantizing; reads headers only, no weight.

        Args:
            model_path: the checkpoint's folder, or a model's name on the hub.
            torch_dtype: "auto" or float16; what is not quantized becomes float16 either way.
            trust_remote_code: allow the checkpoint's own Python code to run.
            safetensors: must be True; other weight files are not read.
            device_map: "cpu", "cuda" or "cuda:1" chooses the device; anything else means a GPU if there is one.
            download_kwargs: passed to the hub's download.
            low_cpu_mem_usage: accepted for AutoAWQ's sake; memory is always about one layer.
            use_cache: accepted for AutoAWQ's sake; calibration keeps no cache.
            cache_dir: where the hub's download goes.
            model_init_kwargs: accepted for AutoAWQ's sake and not used, such as attn_implementation.

        Raises:
            CheckpointError: the folder is not a complete float checkpoint.
            SettingError: another `torch_dtype`, `safetensors=False`, or a device that there is not.
        """
        if str(torch_dtype).removeprefix("torch.") not in ("auto", "None", "float16", "half"):
            raise SettingError(f"torch_dtype is {torch_dtype}, but AWQ checkpoints are float16; use 'float16'.")
        if not safetensors:
            raise SettingError("safetensors is False, but only safetensors files are read; convert and use True.")
        if not isinstance(download_kwargs or {}, Mapping):
            raise SettingError(f"download_kwargs is {download_kwargs!r:.60}; give a dictionary.")
        folder = local_folder(model_path, cache_dir, **(download_kwargs or {}))
        checkpoint = Checkpoint.open(folder, trust_remote_code)
        if checkpoint.quantization is not None:
            method = checkpoint.quantization.get("quant_method")
            raise CheckpointError(f"{folder} is quantized already ({method}); give the original float checkpoint.")
        device = device_map if isinstance(device_map, str) and device_map.startswith(("cpu", "cuda")) else None
        return AwqModel(checkpoint, device, trust_remote_code)

    @staticmethod
    @Door(CheckpointError)
    def from_quantized(quant_path: str | Path, *, trust_remote_code: bool = False, **ignored: Any) -> DequantizedModel:
        """Load a quantized checkpoint with its weights dequantized to float32, to evaluate it with plain torch.

        AutoAWQ's other arguments (fuse_layers, max_seq_len, batch_size, …) choose kernels and are accepted and ignored.

        Raises:
            CheckpointError: the folder is damaged or quantized in another way.
        """
        return DequantizedModel(user_path(quant_path, CheckpointError), trust_remote_code)
