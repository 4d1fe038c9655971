"""What can be wrong with what a user gave to the quantizer, each with the exit code of the command line."""


class AwqError(Exception):
    """A mistake that the user can mend; its message is one sentence with what is wrong, the value and the cure."""

    exit_code = 1


class CheckpointError(AwqError):
    """The checkpoint folder is missing something, damaged, or contradicts itself."""

    exit_code = 3


class UntrustedCodeError(CheckpointError):
    """The checkpoint wants its own Python code to be run and nobody allowed it."""


class SettingError(AwqError):
    """A setting that cannot work, such as a group size that does not divide."""

    exit_code = 4


class CalibrationError(SettingError):
    """The calibration text cannot be found, read or used with this model."""


class UnsupportedError(AwqError):
    """A model that this quantizer does not understand."""

    exit_code = 5


class OutputError(AwqError):
    """The output folder exists, cannot be written, or the disk is full."""

    exit_code = 7
