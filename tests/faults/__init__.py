"""Faults of a hostile and a clumsy world, played by the thousand; `python -m tests.faults --help`."""
