"""Many sequences over one engine: which of them are in the next step, in which slots, and who waits."""
