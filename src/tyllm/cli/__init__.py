"""The command `tyllm`: quantize, compile, run, chat, inspect, verify, doctor, models."""

from tyllm.cli.entry import main

__all__ = ["main"]
