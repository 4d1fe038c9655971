"""A step: the chunks of sequences that are scheduled go through the engine, and logits come out."""
