"""The work on each part of a model: its decoder layers, its output projection, its vision tower."""
