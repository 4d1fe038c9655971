"""Converts an exported tower for OpenVINO, weights in float16: `convert_to_openvino.py TOWER.pt2 OUT`."""

import sys
from pathlib import Path

import openvino
import torch

if __name__ == "__main__":
    exported, output = map(Path, sys.argv[1:])
    model = openvino.convert_model(torch.export.load(exported))
    openvino.save_model(model, output / "model.xml", compress_to_fp16=True)
