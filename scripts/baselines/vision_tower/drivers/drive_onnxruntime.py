"""Measures ONNX Runtime on its CPU provider, all optimizations of the graph on."""

import argparse

import onnxruntime
from baselines.vision_tower.drivers import measurement


def opened(given: argparse.Namespace) -> measurement.Tower:
    """A session."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = given.threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(given.model / "model.onnx", options, providers=["CPUExecutionProvider"])
    (name,) = (each.name for each in session.get_inputs())
    return lambda patches: session.run(None, {name: patches})[0]


if __name__ == "__main__":
    measurement.main(opened)
