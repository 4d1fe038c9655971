"""Kernels that multiply activations by a stored weight."""
