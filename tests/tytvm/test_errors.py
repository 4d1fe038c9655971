"""Every error that a user can cause has the exit code of the command line."""

import pytest

from tytvm import errors


@pytest.mark.parametrize(("name", "code"), [("SettingError", 4), ("UnsupportedError", 5), ("BuildError", 5)])
def test_exit_codes(name, code):
    assert getattr(errors, name).exit_code == code
