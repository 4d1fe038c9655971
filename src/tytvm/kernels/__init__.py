"""The kernels written for speed: each file holds a builder, a NumPy reference, a cost and the layout of its weights."""
