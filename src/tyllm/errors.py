"""The errors that a user's mistake raises, wherever in `awq`, `tytvm` or `tyllm` it is found."""

from tyllm_base.errors import (
    BuildError,
    CalibrationError,
    CheckpointError,
    GenerationError,
    ImageError,
    InternalError,
    MissingExtraError,
    OutputError,
    PackageError,
    SettingError,
    StepError,
    TyllmError,
    UnsupportedError,
    UntrustedCodeError,
)

__all__ = [
    "BuildError",
    "CalibrationError",
    "CheckpointError",
    "GenerationError",
    "ImageError",
    "InternalError",
    "MissingExtraError",
    "OutputError",
    "PackageError",
    "SettingError",
    "StepError",
    "TyllmError",
    "UnsupportedError",
    "UntrustedCodeError",
]
