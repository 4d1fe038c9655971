"""The parts of a vision-language package beside its decoder: the vision tower and the rotary positions."""
