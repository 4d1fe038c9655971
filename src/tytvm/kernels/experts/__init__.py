"""Kernels of a mixture of experts: rows grouped by the expert that they chose, so that only chosen weights are read."""
