"""Long use of one engine by many requests: `make test-serving`."""
