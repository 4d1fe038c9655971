"""The arguments of `AwqModel.quantize` as one object: AutoAWQ's, and the options that AutoAWQ does not have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from awq.quant_config import QuantConfig
from tyllm_base.errors import SettingError
from tyllm_base.progress import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, ProcessorMixin

    from awq.calibration.source import Source
    from awq.run.run_plan import RunPlan


class QuantizeOptions(TypedDict, total=False):
    """The options of `AwqModel.quantize` that AutoAWQ does not have.

    Attributes:
        method: "tyllm" (the default), the best one (docs/quantize.md); "awq", AutoAWQ's algorithm; "rtn", rounding to
            nearest, which needs no calibration.
        without: parts of the method to leave out, to measure their worth: "scale" and "range" (the searches), and for
            "tyllm" "rounding" (GPTQ) and "propagation" (of errors); `apply_clip=False` leaves out "range".
        format: "awq", AutoAWQ's GEMM format (the default), or "compressed-tensors"; also a key of `quant_config`.
        quant_path: the folder that `save_quantized` will be given; work waits beside it in `<quant_path>.partial`.
        work_dir: another place for the work.
        max_search_tokens: calibration tokens replayed for every scale; by default 512 on a CPU, all on a GPU.
        bits_per_weight: a budget, scales and zero points included, over all linear layers that are quantized: the most
            sensitive ones stay at 8 bits (format "compressed-tensors") or float16 ("awq") as far as it goes.
        progress: called with (steps done, steps in all, what is being done); by default a bar on a terminal.
        announce: called with the plan (sizes, memory, disk) before the work begins; by default there is a warning if
            memory is short.
    """

    method: str
    without: Collection[str]
    format: str | None
    quant_path: str | Path | None
    work_dir: str | Path | None
    max_search_tokens: int | None
    bits_per_weight: float | None
    progress: Progress | None
    announce: Callable[[RunPlan], None] | None


@dataclass(frozen=True)
class QuantizeArguments:
    """All arguments under the names that `AwqModel.quantize` and `QuantizeOptions` document."""

    tokenizer: PreTrainedTokenizerBase | ProcessorMixin | None
    quant_config: Mapping[str, Any] | None
    calib_data: Source
    split: str
    text_column: str
    duo_scaling: bool
    export_compatible: bool
    apply_clip: bool
    n_parallel_calib_samples: int | None
    max_calib_samples: int | None
    max_calib_seq_len: int | None
    max_chunk_memory: int | None
    method: str = "tyllm"
    without: Collection[str] = ()
    format: str | None = None
    quant_path: str | Path | None = None
    work_dir: str | Path | None = None
    max_search_tokens: int | None = None
    bits_per_weight: float | None = None
    progress: Progress | None = None
    announce: Callable[[RunPlan], None] | None = None

    def config(self) -> QuantConfig:
        """The settings of `quant_config`, with `format` if it is given; raises `SettingError`."""
        return QuantConfig.from_dict(self.quant_config, **({} if self.format is None else {"format": self.format}))

    def parts(self) -> frozenset[str]:
        """The parts of the method that are used; raises `SettingError` for an unknown method or part."""
        from awq.recipe import chosen_parts  # here, since it needs torch

        if not isinstance(self.without, Collection):
            raise SettingError(f"without is {self.without!r:.60}; give a list of parts of the method.")

        return chosen_parts(self.method, (*self.without, *(() if self.apply_clip else ("range",))))

    def check(self) -> None:
        """Raise `SettingError` if a value cannot work, whatever the checkpoint is."""
        from awq.recipe import check_counts
        from awq.run.mixed_precision import check_budget

        if self.export_compatible:
            raise SettingError("export_compatible is True, but only packed weights are written; use False.")
        for name in ("max_calib_samples", "max_calib_seq_len"):
            if not isinstance(getattr(self, name) or 0, int):
                raise SettingError(f"{name} is {getattr(self, name)!r}; give a whole number.")
        config = self.config()
        self.parts()
        check_budget(self.bits_per_weight, self.method, config)
        check_counts(max_search_tokens=self.max_search_tokens, n_parallel_calib_samples=self.n_parallel_calib_samples)
