"""Every error has the exit code that the command line documents."""

import pytest

import tyllm_base.errors as errors


@pytest.mark.parametrize(
    ("name", "code"),
    [("StepError", 1), ("CheckpointError", 3), ("UntrustedCodeError", 3), ("SettingError", 4), ("CalibrationError", 4),
     ("UnsupportedError", 5), ("BuildError", 5), ("PackageError", 6), ("OutputError", 7), ("GenerationError", 8),
     ("ImageError", 8), ("MissingExtraError", 9)],
)  # fmt: skip
def test_exit_codes(name, code):
    error = getattr(errors, name)
    assert issubclass(error, errors.TyllmError)
    assert error.exit_code == code
