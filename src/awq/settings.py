"""The `quant_config` of AutoAWQ: what may be asked for, checked, and as config.json records it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from awq.errors import SettingError


@dataclass(frozen=True)
class QuantConfig:
    """AutoAWQ's quantisation settings, under AutoAWQ's names.

    Attributes:
        zero_point: asymmetric rounding; the GEMM format knows no other.
        q_group_size: inputs that share a scale and a zero point; -1 means all inputs of a row.
        w_bit: bits of a weight; 4.
        version: the packing, "GEMM" in any case of letters.
        modules_to_not_convert: parts of module names; linear layers whose name contains one stay float16.
        lm_head_enable: quantise the output projection too.
    """

    zero_point: bool = True
    q_group_size: int = 128
    w_bit: int = 4
    version: str = "gemm"
    modules_to_not_convert: tuple[str, ...] = ()
    lm_head_enable: bool = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> QuantConfig:
        """The settings of a `quant_config` dictionary; raises `SettingError` for what cannot work."""
        values = dict(values or {})
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                raise SettingError(f"quant_config has no setting {name!r}; it knows {', '.join(names)}.")
        values["modules_to_not_convert"] = tuple(values.get("modules_to_not_convert") or ())
        values["version"] = str(values.get("version", "gemm")).lower()
        return cls(**values).checked()

    def checked(self) -> QuantConfig:
        """The settings themselves, if they can work."""
        if self.w_bit != 4:
            raise SettingError(f"w_bit is {self.w_bit!r}, but the GEMM format holds 4-bit weights; use 4.")
        if self.version != "gemm":
            raise SettingError(f"version is {self.version!r}, but only the GEMM packing is written; use 'GEMM'.")
        if self.zero_point is not True:
            raise SettingError(f"zero_point is {self.zero_point!r}, but the GEMM packing needs zero points; use True.")
        if isinstance(self.q_group_size, bool) or self.q_group_size not in (32, 64, 128, -1):
            raise SettingError(f"q_group_size is {self.q_group_size!r}; use 32, 64, 128, or -1 for whole rows.")
        return self

    def skips(self, name: str) -> bool:
        """Whether the module `name` stays float16 by the user's wish."""
        return any(part in name for part in self.modules_to_not_convert)

    def group_size(self, name: str, outputs: int, inputs: int) -> int:
        """The group size for a linear layer of that shape.

        Raises:
            SettingError: the group size does not divide the inputs, or 8 does not divide the outputs.
        """
        size = inputs if self.q_group_size == -1 else self.q_group_size
        if inputs % size:
            good = [str(candidate) for candidate in (128, 64, 32) if inputs % candidate == 0]
            raise SettingError(
                f"The group size {size} does not divide the {inputs} inputs of {name}; "
                f"use {' or '.join([*good, '-1'])}, or name it in modules_to_not_convert."
            )
        if outputs % 8:
            cure = "set lm_head_enable to False" if "head" in name else "name it in modules_to_not_convert"
            raise SettingError(f"{name} has {outputs} outputs, and GEMM packing needs a multiple of 8; {cure}.")
        return size

    def to_transformers_dict(self) -> dict[str, Any]:
        """The `quantization_config` that transformers and vLLM read; `lm_head` tells vLLM of a quantised head."""
        result: dict[str, Any] = {
            "quant_method": "awq",
            "bits": self.w_bit,
            "group_size": self.q_group_size,
            "zero_point": self.zero_point,
            "version": self.version,
            "modules_to_not_convert": list(self.modules_to_not_convert) or None,
        }
        return result | ({"lm_head": True} if self.lm_head_enable else {})
