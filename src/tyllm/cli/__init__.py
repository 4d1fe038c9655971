"""The command `tyllm`: quantize, compile, run, chat, inspect, sign, verify, doctor, models."""

from tyllm.cli.entry_point import main

__all__ = ["main"]
