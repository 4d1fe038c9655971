"""A quantization run: planned, walked through, reported, and its output folder written."""
