"""The compiler: capture, rewrite, split over dies, lower, plan, build. It knows tensors, no language model."""
