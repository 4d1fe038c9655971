"""Any captured graph over dies: traced, rewritten, sharded, compiled, kept in a cache."""
