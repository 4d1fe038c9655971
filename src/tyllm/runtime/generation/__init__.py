"""One sequence from its prompt to its text: its state, steps that feed the engine, sampling, and a scheduler of one."""
