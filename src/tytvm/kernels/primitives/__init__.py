"""The parts of kernels: vectors, AMX tiles, exponentials, scratch memory, and the count of what they do."""
