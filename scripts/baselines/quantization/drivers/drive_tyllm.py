"""TyLLM's quantizer's own run; the settings are a method."""

from typing import Any

from baselines.quantization.drivers.job import Job, read_job, report_cost

import awq.run.quantizer  # imported here, as the other tools import theirs, and not within the time
import awq.stream.meta_model  # noqa: F401
from awq import AutoAWQForCausalLM


def quantize(job: Job) -> None:
    """Quantize and save; the method "awq" searches on all calibration tokens, as AutoAWQ does."""
    model = AutoAWQForCausalLM.from_pretrained(job.checkpoint, device_map="cpu")
    config = {"q_group_size": job.group_size, "lm_head_enable": job.head}
    count, length = len(job.samples), len(job.samples[0])
    calibration: dict[str, Any] = {"max_calib_samples": count, "max_calib_seq_len": length}
    if job.settings == "awq":
        calibration["max_search_tokens"] = count * length
    model.quantize(object(), config, calib_data=job.samples, **calibration, method=job.settings)
    model.save_quantized(job.output)


if __name__ == "__main__":
    given = read_job()
    with report_cost():
        quantize(given)
