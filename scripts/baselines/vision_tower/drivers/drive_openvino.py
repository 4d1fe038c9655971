"""Measures OpenVINO on the CPU: latency, its own choice of precision (bfloat16 where the processor has tiles)."""

import argparse

import openvino
from baselines.vision_tower.drivers import measurement


def opened(given: argparse.Namespace) -> measurement.Tower:
    """The converted model, compiled for this machine."""
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": given.threads}
    request = openvino.Core().compile_model(given.model / "model.xml", "CPU", settings).create_infer_request()
    return lambda patches: request.infer([patches], share_inputs=True, share_outputs=True)[0]


if __name__ == "__main__":
    measurement.main(opened)
