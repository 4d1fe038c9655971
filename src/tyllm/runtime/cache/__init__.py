"""The content of a slot of the KV cache: its tokens, their positions, and both as a file."""
