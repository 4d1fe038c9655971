"""What kernels are made of: vectors, AMX tiles, exponentials, scratch memory, and the count of what they do."""
