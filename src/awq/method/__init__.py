"""The quantization method: pure functions on arrays, one file for each part of it."""
