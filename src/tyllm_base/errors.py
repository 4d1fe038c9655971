"""Errors for a user's mistakes: one hierarchy for all packages, with the command line's exit codes.

Every exception that a public function raises for a user's mistake is a `TyllmError`; `tyllm.errors` is its public door.
This module stands apart because all packages raise its classes and none of them may import all others.
"""

from pathlib import Path


class TyllmError(Exception):
    """A mistake that the user can correct; its message is one sentence with what is wrong, the value and the cure."""

    exit_code = 1


class StepError(TyllmError):
    """Compiled code failed while it ran, or computed what is not a number."""


class CheckpointError(TyllmError):
    """The checkpoint folder is missing something, damaged, or contradicts itself."""

    exit_code = 3


class UntrustedCodeError(CheckpointError):
    """The checkpoint wants its own Python code to be run and nobody allowed it."""


class SettingError(TyllmError):
    """A setting that cannot work, such as a number of dies, sequence lengths, a group size or a target's name."""

    exit_code = 4


class CalibrationError(SettingError):
    """The calibration text cannot be found, read or used with this model."""


class UnsupportedError(TyllmError):
    """A model or an operator that cannot be quantized or compiled, named in the message."""

    exit_code = 5


class BuildError(TyllmError):
    """The system compiler is missing or refused; the message holds its first complaint."""

    exit_code = 5


class PackageError(TyllmError):
    """A compiled package is damaged, incomplete, of another version or for another machine."""

    exit_code = 6


class OutputError(TyllmError):
    """The output folder exists, cannot be written, or the disk is full."""

    exit_code = 7


class GenerationError(TyllmError):
    """A request to generate that cannot be met, such as too long a prompt or a bad sampling value."""

    exit_code = 8


class ImageError(GenerationError):
    """An image or a video that cannot be read, or not be used."""


class MissingExtraError(TyllmError):
    """Packages that a command needs, and that the base install does not bring, are not installed."""

    exit_code = 9


class InternalError(TyllmError):
    """A fault of TyLLM itself; the exception that nobody foresaw is its `__cause__`.

    Attributes:
        log: the file with the traceback and the versions; None where none could be written.
    """

    exit_code = 70  # EX_SOFTWARE of sysexits.h

    def __init__(self, sentence: str, log: Path | None = None) -> None:
        super().__init__(sentence, log)
        self.log = log

    def __str__(self) -> str:
        return str(self.args[0])
