"""Kernels that treat each row of activations by itself, and the encodings in which they write it."""
