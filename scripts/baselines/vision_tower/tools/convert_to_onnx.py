"""Converts an exported tower for ONNX Runtime, weights in float32: `convert_to_onnx.py TOWER.pt2 OUT`."""

import sys
from pathlib import Path

import onnx
import torch

if __name__ == "__main__":
    exported, output = map(Path, sys.argv[1:])
    path = output / "model.onnx"
    torch.onnx.export(torch.export.load(exported), f=path, dynamo=True, external_data=True)
    model = onnx.load(path, load_external_data=False)
    del model.graph.value_info[:]  # the exporter leaves shapes of before it transposed weights, which stops others
    onnx.save(model, path)
