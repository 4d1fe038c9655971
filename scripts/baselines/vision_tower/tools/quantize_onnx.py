"""Rounds the weights of a tower for ONNX Runtime to int8, its activations as it runs: `quantize_onnx.py FLOAT OUT`."""

import sys
from pathlib import Path

from onnxruntime.quantization import QuantType, quantize_dynamic

if __name__ == "__main__":
    given, output = map(Path, sys.argv[1:])
    files = given / "model.onnx", output / "model.onnx"
    quantize_dynamic(*files, per_channel=True, weight_type=QuantType.QInt8, use_external_data_format=True)
