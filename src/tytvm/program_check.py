"""Checks a planned program before code is generated for it: generated code trusts its pointers."""

from __future__ import annotations

from tytvm.collectives import ALL_REDUCE
from tytvm.memory_plan import KernelLaunch, PlannedProgram


def check_program(program: PlannedProgram) -> None:
    """Check that each launch names a kernel with as many parameters, and each argument lies within its memory.

    Raises:
        ValueError: one does not (the compiler's mistake, not a user's).
    """
    for launch in (*program.body, *program.head):
        expected = 1 if launch.kernel == ALL_REDUCE else _parameters(launch, program)
        if len(launch.arguments) != expected:
            raise ValueError(f"{launch.kernel} takes {expected} buffers, not {len(launch.arguments)}.")
        for number, argument in enumerate(launch.arguments):
            if not 0 <= argument.offset <= program.layouts[argument.memory].total - argument.size:
                raise ValueError(f"Argument {number} of {launch.kernel} lies outside {argument.memory}: {argument}.")
        if any(index not in range(expected) for index in launch.writes):
            raise ValueError(f"{launch.kernel} writes arguments {launch.writes} of {expected}.")


def _parameters(launch: KernelLaunch, program: PlannedProgram) -> int:
    """Number of parameters of the kernel that is launched."""
    if launch.kernel not in program.kernels:
        raise ValueError(f"The program has no kernel {launch.kernel}.")
    return len(program.kernels[launch.kernel].params)
