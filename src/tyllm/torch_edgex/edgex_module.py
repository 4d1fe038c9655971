"""The original toolchain's name for the switch that lets modules be compiled and not run."""

from __future__ import annotations

from tyllm.torch_edgex.options import set_device_mode


def set_trace_only_mode(is_on: bool) -> None:
    """Compile modules and do not run them: they return zeros of the right shapes; raises `SettingError`."""
    set_device_mode("trace_only", is_on)
