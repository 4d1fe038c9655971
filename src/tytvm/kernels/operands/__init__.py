"""How the operands of operators lie in memory: encodings of activations, the KV cache, packed sequences."""
