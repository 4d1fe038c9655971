"""The KV cache of a conversation: what lies in it, and where each token stands."""
