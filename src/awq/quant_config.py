"""The `quant_config` of AutoAWQ: what may be asked for, checked, and what it means for each linear layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from tyllm_base.errors import SettingError

if TYPE_CHECKING:
    from awq.method.rounding import Scheme

FORMATS = ("awq", "compressed-tensors")
GROUP_SIZES = (32, 64, 128, -1)
VISION_BITS = (16, 8)


@dataclass(frozen=True)
class QuantConfig:
    """AutoAWQ's quantization settings under AutoAWQ's names, and what other formats than its own can hold.

    Attributes:
        zero_point: asymmetric rounding; False means symmetric.
        q_group_size: inputs that share a scale and a zero point; -1 means all inputs of a row.
        w_bit: bits of a weight, 4 or 8; the format "awq" holds 4 only.
        version: the packing of the format "awq": "GEMM" in any case of letters.
        modules_to_not_convert: parts of module names; linear layers whose name contains one stay float16.
        lm_head_enable: quantize the output projection too.
        format: "awq" (AutoAWQ's), or "compressed-tensors" (`pack-quantized`, as llm-compressor writes it).
        overrides: module name → its bits where they are not `w_bit`; None leaves the module float16.
        vision_bits: of the weights of a vision tower's linear layers: 16 (float16), or 8 where the format has them.
    """

    zero_point: bool = True
    q_group_size: int = 128
    w_bit: int = 4
    version: str = "gemm"
    modules_to_not_convert: tuple[str, ...] = ()
    lm_head_enable: bool = False
    format: str = "awq"
    overrides: Mapping[str, int | None] = field(default_factory=dict)
    vision_bits: int = 16

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None, **more: Any) -> QuantConfig:
        """The settings of a `quant_config` dictionary, and `more`; raises `SettingError` for what cannot work."""
        if not isinstance(values or {}, Mapping):
            raise SettingError(f"quant_config is {values!r:.60}; give a dictionary.")
        values = dict(values or {}) | more
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                raise SettingError(f"quant_config has no setting {name!r}; it knows {', '.join(names)}.")
        values["modules_to_not_convert"] = _module_names(values.get("modules_to_not_convert") or ())
        values["overrides"] = _overrides(values.get("overrides") or {})
        values["version"] = str(values.get("version", "gemm")).lower()
        return cls(**values).checked()

    def checked(self) -> QuantConfig:
        """The settings themselves, if they can work."""
        if self.format not in FORMATS:
            raise SettingError(f"format is {self.format!r}; use {' or '.join(map(repr, FORMATS))}.")
        if self.version != "gemm":
            raise SettingError(f"version is {self.version!r}, but only the GEMM packing is written; use 'GEMM'.")
        if not isinstance(self.zero_point, bool):
            raise SettingError(f"zero_point is {self.zero_point!r}; use True, or False for symmetric rounding.")
        if isinstance(self.q_group_size, bool) or self.q_group_size not in GROUP_SIZES:
            raise SettingError(f"q_group_size is {self.q_group_size!r}; use 32, 64, 128, or -1 for whole rows.")
        if isinstance(self.vision_bits, bool) or self.vision_bits not in VISION_BITS:
            raise SettingError(f"vision_bits is {self.vision_bits!r}; use 16 for float16, or 8.")
        if self.vision_bits != 16:
            self._check_bits("vision_bits", self.vision_bits)
        self._check_bits("w_bit", self.w_bit)
        for name, bits in self.overrides.items():
            if bits is not None:
                self._check_bits(f"The override of {name}", bits)
        return self

    def _check_bits(self, what: str, bits: object) -> None:
        """Raise `SettingError` for bits that cannot be rounded to, or that the format cannot hold."""
        if isinstance(bits, bool) or bits not in (4, 8):
            raise SettingError(f"{what} is {bits!r} bits; use 4 or 8.")
        if self.format == "awq" and bits != 4:
            raise SettingError(
                f"{what} is {bits} bits, but the AWQ GEMM format holds 4-bit weights; "
                "use format='compressed-tensors' (--format compressed-tensors)."
            )

    def skips(self, name: str) -> bool:
        """Whether the module `name` stays float16 by the user's wish."""
        return self.bits(name) is None or any(part in name for part in self.modules_to_not_convert)

    def bits(self, name: str) -> int | None:
        """The bits that the module `name` is to have, None for float16."""
        return self.overrides.get(name, self.w_bit)

    def scheme(self, name: str, outputs: int, inputs: int) -> Scheme:
        """How the weight of the linear layer `name`, which is not skipped, is rounded.

        Raises:
            SettingError: the group size does not divide the inputs, or the format cannot hold so many outputs.
        """
        size = inputs if self.q_group_size == -1 else self.q_group_size
        if inputs % size:
            good = [str(candidate) for candidate in (128, 64, 32) if inputs % candidate == 0]
            raise SettingError(
                f"The group size {size} does not divide the {inputs} inputs of {name}; "
                f"use {' or '.join([*good, '-1'])}, or name it in modules_to_not_convert."
            )
        if self.format == "awq" and outputs % 8:
            remedy = "set lm_head_enable to False" if "head" in name else "name it in modules_to_not_convert"
            raise SettingError(
                f"{name} has {outputs} outputs, and GEMM packing needs a multiple of 8; "
                f"{remedy}, or use format='compressed-tensors'."
            )
        from awq.method.rounding import Scheme  # here, since it needs torch

        return Scheme(self.bits(name) or self.w_bit, size, not self.zero_point)


def renamed(config: QuantConfig, name: Callable[[str], str]) -> QuantConfig:
    """`config` with the modules of its `overrides` under other names."""
    return replace(config, overrides={name(module): bits for module, bits in config.overrides.items()})


def _module_names(given: object) -> tuple[str, ...]:
    names = tuple(given) if isinstance(given, Iterable) else None
    if names is None or not all(isinstance(name, str) for name in names):
        raise SettingError(f"modules_to_not_convert is {given!r:.60}; give a list of names of modules.")
    return names


def _overrides(given: object) -> dict[str, int | None]:
    if not isinstance(given, Mapping):
        raise SettingError(f"overrides is {given!r:.60}; give a dictionary from names of modules to bits.")
    return dict(given)
