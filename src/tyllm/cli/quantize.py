"""`tyllm quantize`: a checkpoint to an INT4 checkpoint, layer by layer, with AWQ or plain rounding."""

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tyllm.cli.calibration import Calibration, data
from tyllm.cli.extras import QUANTIZE_MODULES, require
from tyllm.cli.options import Checkpoint, Debug, Json, TrustRemoteCode
from tyllm.cli.output import emit, folder_bytes, size
from tyllm.cli.progress import progress

if TYPE_CHECKING:
    from rich.console import Console


class Method(StrEnum):
    """How weights become 4-bit codes."""

    AWQ = "awq"
    RTN = "rtn"


def quantize(
    checkpoint: Checkpoint,
    output: Annotated[
        Path | None, typer.Argument(metavar="OUTPUT", help="The folder to write; CHECKPOINT-AWQ-INT4 if left out.")
    ] = None,
    method: Annotated[Method, typer.Option(help="awq reads calibration text; rtn rounds to nearest.")] = Method.AWQ,
    group_size: Annotated[int, typer.Option(help="Inputs that share a scale: 32, 64, 128, -1 for whole rows.")] = 128,
    lm_head: Annotated[bool, typer.Option("--lm-head/--no-lm-head", help="Quantise the output projection too.")] = True,
    calibration: Calibration = "bundled",
    max_samples: Annotated[
        int | None, typer.Option(min=1, help="Calibration samples at most; 16 on a CPU, 128 on a GPU if left out.")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Tokens of a sample; 256 on a CPU, 512 on a GPU if left out.")
    ] = None,
    trust_remote_code: TrustRemoteCode = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Quantise a checkpoint to INT4 (AWQ), the output projection included.

    A run that was killed goes on at its last finished layer when the same command is given again.

    Example: `tyllm quantize Qwen1.5-1.8B Qwen1.5-1.8B-AWQ-INT4 --calibration notes.txt`
    """
    require("quantize", QUANTIZE_MODULES)
    from awq import AutoAWQForCausalLM

    output = output or checkpoint.with_name(f"{checkpoint.resolve().name}-{method.upper()}-INT4")
    config = {"zero_point": True, "q_group_size": group_size, "w_bit": 4, "version": "GEMM", "lm_head_enable": lm_head}
    started = time.monotonic()
    with progress("quantize") as report:
        model = AutoAWQForCausalLM.from_pretrained(checkpoint, trust_remote_code=trust_remote_code)
        model.quantize(
            quant_config=config,
            calib_data=data(calibration),
            max_calib_samples=max_samples,
            max_calib_seq_len=max_length,
            method=method.value,
            quant_path=output,
            progress=report,
        )
        model.save_quantized(output)
    total, seconds = folder_bytes(output), round(time.monotonic() - started, 3)

    def draw(console: "Console") -> None:
        console.print(f"{output}: {size(total)}, in {seconds:.1f} s", markup=False)
        console.print(f"Compile it: tyllm compile {output}", markup=False)

    result = {"checkpoint": str(output), "method": method.value, "quant_config": config}
    emit({**result, "bytes": total, "seconds": seconds}, as_json, draw)
