"""What a run does to each part of a model: its decoder layers, its output projection, its vision tower."""
