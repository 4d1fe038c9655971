"""llm-compressor's own run, with one mistake of it patched, in its own environment; the settings name modifiers.

"gptq" is GPTQModifier, "awq" AWQModifier with rounding to nearest after it, "awq+gptq" AWQModifier with GPTQModifier.
"""

import torch
from baselines.quantization.drivers.job import Job, read_job, report_cost
from datasets import Dataset
from llmcompressor import oneshot
from llmcompressor.modifiers.quantization import GPTQModifier, QuantizationModifier
from llmcompressor.modifiers.transform.awq import AWQModifier
from llmcompressor.pipelines.cache import IntermediatesCache
from transformers import AutoModelForCausalLM, AutoTokenizer


def patch_pinning() -> None:
    """Leave memory pageable.

    AWQModifier pins its cached inputs before each search, whatever the device, and torch refuses to pin memory where
    there is no accelerator. Pinning hastens copies to a device and changes no value.
    """
    IntermediatesCache.pin_memory = lambda self, batch_index, input_names=None: None


def recipe(job: Job) -> list[object]:
    """The modifiers: 4 bits with zero points, as its preset W4A16_ASYM, in groups of the size asked for."""
    weights = {"num_bits": 4, "type": "int", "symmetric": False, "strategy": "group", "group_size": job.group_size}
    scheme = {
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
        "ignore": [] if job.head else ["lm_head"],
    }
    rounding = GPTQModifier(**scheme) if "gptq" in job.settings else QuantizationModifier(**scheme)
    return [AWQModifier(), rounding] if "awq" in job.settings else [rounding]


def quantize(job: Job) -> None:
    """Quantize in float32, the type in which a processor computes fastest, and save."""
    patch_pinning()
    model = AutoModelForCausalLM.from_pretrained(job.checkpoint, dtype=torch.float32)
    masks = [[1] * len(sample) for sample in job.samples]
    calibration = Dataset.from_dict({"input_ids": job.samples, "attention_mask": masks})
    oneshot(
        model=model,
        processor=AutoTokenizer.from_pretrained(job.checkpoint),
        dataset=calibration,
        recipe=recipe(job),
        max_seq_length=len(job.samples[0]),
        num_calibration_samples=len(job.samples),
    )
    model.save_pretrained(job.output, save_compressed=True)


if __name__ == "__main__":
    given = read_job()
    with report_cost():
        quantize(given)
