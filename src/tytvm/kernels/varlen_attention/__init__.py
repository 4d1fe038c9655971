"""Attention within packed sequences of given lengths, without a cache or a mask."""
