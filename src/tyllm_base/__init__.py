"""What all packages stand on: errors, facts of this machine, progress, files that appear whole; no library."""
