"""What lies in a slot of the KV cache: which tokens, at which positions, and the slot as a file."""
