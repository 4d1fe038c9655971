"""The command `tyllm`: quantize, compile, run, chat, inspect, verify, doctor, models."""

from tyllm.cli.entry_point import main

__all__ = ["main"]
