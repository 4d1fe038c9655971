"""Every error of the quantizer carries the exit code of the command line."""

import pytest

from hf_checkpoint import errors


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("CheckpointError", 3),
        ("UntrustedCodeError", 3),
        ("SettingError", 4),
        ("CalibrationError", 4),
        ("UnsupportedError", 5),
        ("OutputError", 7),
    ],
)
def test_exit_codes(name, code):
    error = getattr(errors, name)
    assert issubclass(error, errors.AwqError) and error.exit_code == code
