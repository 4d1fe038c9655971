"""A budget of bits: which linear layers get more of them than the others.

Before anything is rounded the model runs once over the calibration text, and the linear layers that share an input are
rounded to nearest alone, after the scale search. The change of their decoder layer's output is their sensitivity. Those
with the largest change for each extra bit are kept in higher precision, until the budget is spent. Layers that share an
input stay together, since vLLM fuses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from awq.method.rounding import Scheme
from awq.quant_config import QuantConfig
from tyllm_base.errors import SettingError


@dataclass(frozen=True)
class Candidate:
    """Linear layers that are kept in higher precision together.

    Attributes:
        names: their full names.
        effect: relative squared error that rounding them to nearest leaves.
        weights: how many there are.
        scheme: how they are rounded otherwise.
    """

    names: tuple[str, ...]
    effect: float
    weights: int
    scheme: Scheme


def check_budget(budget: float | None, method: str, config: QuantConfig) -> None:
    """Raise `SettingError` for a budget of bits that cannot be used."""
    if budget is None:
        return
    if not isinstance(budget, int | float):
        raise SettingError(f"bits_per_weight is {budget!r}; give a number from {config.w_bit} to 16.")
    if not 0 < budget <= 16:
        raise SettingError(f"bits_per_weight is {budget:g}; give a number from {config.w_bit} to 16.")
    if method != "tyllm":
        raise SettingError(f"bits_per_weight needs the method 'tyllm', not {method!r}; leave one of them out.")
    if higher_bits(config) == config.w_bit:
        raise SettingError("bits_per_weight keeps layers at 8 bits, and all have 8; use w_bit 4.")


def higher_bits(config: QuantConfig) -> int | None:
    """The bits of a layer that is kept in higher precision: 8 where the format holds them, otherwise None, float16."""
    return None if config.format == "awq" else 8


def bits_per_weight(scheme: Scheme | None) -> float:
    """Bits that a weight takes with its share of scale and zero point; None is float16."""
    if scheme is None:
        return 16.0
    return scheme.bits + (16 + (0 if scheme.symmetric else scheme.bits)) / scheme.group_size


def chosen(candidates: Iterable[Candidate], config: QuantConfig, budget: float) -> dict[str, int | None]:
    """The `overrides` that spend the budget; greedy, by effect for each extra bit.

    Args:
        candidates: all linear layers that are quantized.
        config: the format, which says how many bits are the higher precision.
        budget: bits per weight, scales and zero points included, over all candidates.

    Raises:
        SettingError: the budget is less than the layers take with none in higher precision.
    """
    found = list(candidates)
    higher = higher_bits(config)
    least = sum(bits_per_weight(each.scheme) * each.weights for each in found)
    weights = sum(each.weights for each in found)
    left = budget * weights - least
    if left < 0:
        raise SettingError(
            f"bits_per_weight is {budget:g}, but {config.w_bit}-bit codes with their scales take "
            f"{least / weights:.3f} bits a weight; give more, or a larger group size."
        )
    result: dict[str, int | None] = {}
    for each in sorted(found, key=lambda each: (-each.effect / each.weights, each.names)):
        better = None if higher is None else replace(each.scheme, bits=higher)
        extra = (bits_per_weight(better) - bits_per_weight(each.scheme)) * each.weights
        if 0 < extra <= left:
            left -= extra
            result |= dict.fromkeys(each.names, higher)
    return result


def with_overrides(config: QuantConfig, overrides: Mapping[str, int | None]) -> QuantConfig:
    """`config` with more `overrides`."""
    return replace(config, overrides={**config.overrides, **overrides}).checked()
