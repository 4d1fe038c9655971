"""Quantizes a GGUF file through llama.cpp's Python binding: `python quantize_gguf.py SOURCE TARGET Q4_0|Q4_K_M`."""

import ctypes
import os
import sys

import llama_cpp

source, target, kind = sys.argv[1:]
parameters = llama_cpp.llama_model_quantize_default_params()
parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
parameters.nthread = os.cpu_count() or 1
if status := llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(parameters)):
    sys.exit(f"llama.cpp cannot quantize {source}: status {status}")
