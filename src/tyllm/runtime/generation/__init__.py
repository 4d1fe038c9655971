"""From logits to text: sampling, stop strings, the stream, the result."""
