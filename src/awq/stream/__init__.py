"""The model with one decoder layer in memory at a time: built on the meta device, filled, run, released."""
