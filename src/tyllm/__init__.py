"""TyLLM: compile large language models ahead of time for one or more dies, and run them."""

__version__ = "2.0.0.dev0"
