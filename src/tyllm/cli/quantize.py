"""`tyllm quantize`: a checkpoint to one with 4- or 8-bit weights, layer by layer."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyllm.cli.calibration_option import Calibration, calib_data
from tyllm.cli.layer_error_report import write_report
from tyllm.cli.machine_summary import peak_memory
from tyllm.cli.missing_extra import COMPILE_MODULES, QUANTIZE_MODULES, missing_modules, require
from tyllm.cli.print_result import print_result
from tyllm.cli.quantize_options import (
    Bits,
    BitsPerWeight,
    EvalTokens,
    Evaluate,
    Exclude,
    FileFormat,
    Format,
    GroupSize,
    LmHead,
    MaxLength,
    MaxSamples,
    Method,
    Output,
    ReportFile,
    Search,
    Symmetric,
    VisionBits,
    VisionWeightBits,
    WeightBits,
    Without,
)
from tyllm.cli.quantize_table import draw_plan, draw_result
from tyllm.cli.shared_options import Checkpoint, Debug, Json, TrustRemoteCode
from tyllm.progress_bar import progress_bar
from tyllm_base.errors import CheckpointError

if TYPE_CHECKING:
    from rich.console import Console

    from awq.model import AwqModel
    from awq.run.run_plan import RunPlan


def quantize(
    checkpoint: Checkpoint,
    output: Output = None,
    bits: WeightBits = Bits.FOUR,
    vision_bits: VisionWeightBits = VisionBits.FLOAT,
    group_size: GroupSize = 128,
    symmetric: Symmetric = False,
    file_format: FileFormat = Format.AWQ,
    lm_head: LmHead = True,
    exclude: Exclude = None,
    bits_per_weight: BitsPerWeight = None,
    method: Search = Method.TYLLM,
    without: Without = None,
    calibration: Calibration = "bundled",
    max_samples: MaxSamples = None,
    max_length: MaxLength = None,
    evaluation: Evaluate = True,
    eval_tokens: EvalTokens = 2048,
    report: ReportFile = None,
    trust_remote_code: TrustRemoteCode = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Quantize a checkpoint to 4 or 8 bits, the output projection included; a vision tower stays float16.

    Tells first what it will need, and at the end how close the result stays to the original. A run that was killed goes
    on at its last finished layer when the same command is given again.

    Example: `tyllm quantize Qwen1.5-1.8B Qwen1.5-1.8B-AWQ-INT4 --calibration notes.txt`
    """
    require("quantize", QUANTIZE_MODULES)
    config = {
        "zero_point": not symmetric,
        "q_group_size": group_size,
        "w_bit": int(bits.value),
        "vision_bits": int(vision_bits.value),
        "version": "GEMM",
        "lm_head_enable": lm_head,
        "modules_to_not_convert": exclude or None,
        "format": file_format.value,
    }
    search = {
        "calib_data": calib_data(calibration),
        "max_calib_samples": max_samples,
        "max_calib_seq_len": max_length,
        "method": method.value,
        "without": [part.value for part in without or ()],
        "bits_per_weight": bits_per_weight,
    }
    output = output or _default_output(checkpoint, method, file_format, bits)
    _ask_compiler(checkpoint, trust_remote_code)
    result = _quantized(Job(checkpoint, output, trust_remote_code, config, search), as_json)
    if report is not None:
        write_report(report, result["report"])
    if evaluation:
        result |= _evaluated(output, checkpoint, eval_tokens, trust_remote_code)

    def draw(console: "Console") -> None:
        draw_result(console, result)
        console.print(f"Compile it: tyllm compile {output}", markup=False)

    print_result(result, as_json, draw)


@dataclass(frozen=True)
class Job:
    """One quantization.

    Attributes:
        checkpoint: the folder to read.
        output: the folder to write.
        trust_remote_code: run Python code that lies in the checkpoint.
        config: AutoAWQ's quant_config: what is stored.
        search: the other arguments of `AwqModel.quantize`: how it is found.
    """

    checkpoint: Path
    output: Path
    trust_remote_code: bool
    config: Mapping[str, Any]
    search: Mapping[str, Any]


def _ask_compiler(checkpoint: Path, trust_remote_code: bool) -> None:
    """Refuse before hours of work what `tyllm compile` would refuse after them.

    Not where the checkpoint contradicts itself, so that it is not the model's fault: that is told when it is opened.
    """
    if missing_modules(COMPILE_MODULES):
        return
    import torch

    from awq.stream.meta_model import MetaModel
    from hf_checkpoint.checkpoint import Checkpoint
    from tyllm.build_util import check_model

    with suppress(CheckpointError):
        MetaModel.build(Checkpoint.open(checkpoint, trust_remote_code), torch.device("cpu"), trust_remote_code)
        check_model(checkpoint, trust_remote_code)


def _default_output(checkpoint: Path, method: Method, file_format: Format, bits: Bits) -> Path:
    """The folder beside the checkpoint that is named after its contents."""
    label = "RTN-" if method is Method.RTN else "AWQ-" if file_format is Format.AWQ else ""
    return checkpoint.with_name(f"{checkpoint.resolve().name}-{label}INT{bits.value}")


def _quantized(job: Job, as_json: bool) -> dict[str, Any]:
    """Quantize and tell what came of it; a person is shown the plan first."""
    from awq import AutoAWQForCausalLM

    def announce(plan: "RunPlan") -> None:
        if not as_json:
            print_result({}, False, lambda console: draw_plan(console, plan.document(), plan.shortage))

    started = time.monotonic()
    with progress_bar("quantize") as progress:
        model = AutoAWQForCausalLM.from_pretrained(job.checkpoint, trust_remote_code=job.trust_remote_code)
        model.quantize(
            quant_path=job.output, quant_config=job.config, progress=progress, announce=announce, **job.search
        )
        model.save_quantized(job.output)
    return {
        "checkpoint": str(job.output),
        "method": job.search["method"],
        "quant_config": job.config,
        **_outcome(model, job.output),
        "seconds": round(time.monotonic() - started, 3),
        "peak_memory": peak_memory(),
    }


def _outcome(model: "AwqModel", output: Path) -> dict[str, Any]:
    """The plan, the sizes in bytes before and after, and the errors of a finished run, for JSON."""
    from tyllm.package.folder_bytes import folder_bytes

    assert model.plan is not None and model.report is not None  # a finished run has both
    return {
        "overrides": dict(model.quant_config.overrides),
        "plan": model.plan.document(),
        "original_bytes": sum(info.nbytes for info in model.checkpoint.tensors.values()),
        "bytes": folder_bytes(output),
        "report": model.report.document(),
    }


def _evaluated(output: Path, checkpoint: Path, tokens: int, trust_remote_code: bool) -> dict[str, Any]:
    """The closeness of the result to the original, or why it cannot be told; the result is written either way."""
    from tyllm.evaluate import evaluate
    from tyllm_base.errors import TyllmError

    try:
        with progress_bar("eval") as progress:
            trust = trust_remote_code
            found = evaluate(output, checkpoint, max_tokens=tokens, trust_remote_code=trust, progress=progress)
    except TyllmError as error:
        return {"not_evaluated": str(error)}
    return {"evaluation": asdict(found)}
