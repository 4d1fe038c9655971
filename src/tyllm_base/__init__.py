"""The base of all packages: errors, facts of this machine, progress, files that appear whole; no library."""
